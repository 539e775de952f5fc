package main

// The volumes that claims are bound to: made with the cluster, and made anew once their claims are gone.

import (
	"fmt"
	"os"
	"strings"
)

// renewVolumes gives back those that claims have left. No controller does: without a provisioner, Kubernetes
// keeps what was written for an administrator to look at, and never binds such a volume again.
func (c cluster) renewVolumes() error {
	listed, err := c.kubectl("", "get", "persistentvolumes", "--output=jsonpath={range .items[?(@.status.phase==\"Released\")]}{.metadata.name} {end}")
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(listed) {
		folder := c.path("var", "lib/volumes", strings.TrimPrefix(name, "volume-"))
		if err := os.RemoveAll(folder); err != nil {
			return fmt.Errorf("cannot empty %s: %w", name, err)
		}
		if err := os.Mkdir(folder, 0o755); err != nil {
			return err
		}
		if _, err := c.kubectl("", "patch", "persistentvolume", name, "--type=merge", "--patch", `{"spec":{"claimRef":null}}`); err != nil {
			return err
		}
	}
	return nil
}
