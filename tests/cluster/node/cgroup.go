package main

// The cgroup of a cluster: every pod lies below it, so that none can be missed when the cluster is taken down.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const cgroupMount = "/sys/fs/cgroup"

// hierarchies are where cgroups lie: one folder in version 2, one for each controller in version 1.
func hierarchies() ([]string, error) {
	if _, err := os.Stat(cgroupMount + "/cgroup.controllers"); err == nil {
		return []string{cgroupMount}, nil
	}
	mounted, err := filepath.Glob(cgroupMount + "/*/cgroup.procs")
	if err != nil || len(mounted) == 0 {
		return nil, errors.Join(err, fmt.Errorf("no cgroups are mounted in %s, and the kubelet needs them", cgroupMount))
	}
	for i, file := range mounted {
		mounted[i] = filepath.Dir(file)
	}
	return mounted, nil
}

// makeCgroups makes the cluster's own in each hierarchy: the kubelet wants to find them.
func (c cluster) makeCgroups() error {
	found, err := hierarchies()
	if err != nil {
		return err
	}
	for _, hierarchy := range found {
		if err := os.MkdirAll(filepath.Join(hierarchy, c.namespace()), 0o755); err != nil {
			return fmt.Errorf("cannot make a cgroup: %w", err)
		}
	}
	return nil
}

// cgroups gives those that are there, with all below them, each after the one it lies in.
func (c cluster) cgroups() []string {
	found, err := hierarchies()
	if err != nil { // no cgroups, so none of the cluster's
		return nil
	}
	var folders []string
	for _, hierarchy := range found {
		_ = filepath.WalkDir(filepath.Join(hierarchy, c.namespace()), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() { // an error is one that is not there, or vanished meanwhile
				folders = append(folders, path)
			}
			return nil
		})
	}
	return folders
}

// inCgroup gives every process below it.
func (c cluster) inCgroup() []int {
	var pids []int
	for _, folder := range c.cgroups() {
		text, err := os.ReadFile(filepath.Join(folder, "cgroup.procs"))
		if err != nil { // removed since it was listed, and empty then
			continue
		}
		for _, line := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(line); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// removeCgroups removes them from the innermost out. The kernel may still count a process that has just ended.
func (c cluster) removeCgroups() error {
	removed := until(5*time.Second, func() bool {
		folders := c.cgroups()
		for i := len(folders) - 1; i >= 0; i-- {
			_ = os.Remove(folders[i]) // what is busy shows in the next count
		}
		return len(folders) == 0
	})
	if !removed {
		return fmt.Errorf("cannot remove the cgroups %v of cluster %s", c.cgroups(), c.name)
	}
	return nil
}
