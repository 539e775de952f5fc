package main

// Starting a cluster's processes, inside its network namespace: what `up` does there.

import (
	"errors"
	"fmt"
	"time"
)

const patience = time.Minute

func boot(c cluster, apiOnly bool) error {
	if !c.isInside() {
		return errUsage("boot is what up runs in the cluster's network: use up")
	}
	if err := routePods(); err != nil {
		return err
	}
	server, err := c.api()
	if err != nil {
		return err
	}
	var containerd process
	if !apiOnly {
		if err := c.makeCgroups(); err != nil {
			return err
		}
		// The runtime needs nobody: it starts while the API server does.
		if containerd, err = c.startProcess("containerd", c.containerd()); err != nil {
			return err
		}
	}
	if err := c.bootAPI(server); err != nil || apiOnly {
		return err
	}
	return c.bootNode(server, containerd)
}

// bootAPI starts what answers to objects, and returns when service accounts work.
func (c cluster) bootAPI(server api) error {
	if _, err := c.startProcess("etcd", c.etcd()); err != nil {
		return err
	}
	if _, err := c.startProcess("kube-apiserver", c.apiServer()); err != nil {
		return err
	}
	if err := c.await("API server", patience, server.ready); err != nil {
		return err
	}
	if _, err := c.startProcess("kube-controller-manager", c.controllerManager()); err != nil {
		return err
	}
	return c.await("service accounts", patience, server.accountsAreMade)
}

// bootNode starts what runs pods, and returns when the node takes them and names answer.
func (c cluster) bootNode(server api, containerd process) error {
	if err := c.importOwnImages(containerd); err != nil {
		return err
	}
	for _, component := range []struct {
		name    string
		command []string
	}{
		{"kubelet", c.kubelet(containerd)}, {"kube-scheduler", c.scheduler()},
		{"kube-proxy", c.kubeProxy()}, {"coredns", c.coreDNS()},
	} {
		if _, err := c.startProcess(component.name, component.command); err != nil {
			return err
		}
	}
	if _, err := c.kubectl("", "apply", "--server-side", "-f", c.path("objects.yaml")); err != nil {
		return err
	}
	return errors.Join(
		c.await("node that takes pods", patience, server.nodeTakesPods),
		c.await("names", patience, namesAnswer),
	)
}

func (c cluster) importOwnImages(containerd process) error {
	archives, err := c.writeImages()
	if err != nil {
		return err
	}
	socket := func() error { return c.ctr(containerd, "version") }
	if err := c.await("container runtime", patience, socket); err != nil {
		return err
	}
	return c.importArchives(containerd, archives)
}

// ctr runs containerd's own client.
func (c cluster) ctr(containerd process, args ...string) error {
	command := besideContainerd(containerd, append([]string{"ctr", "--namespace", "k8s.io"}, args...)...)
	return run(command[0], command[1:]...)
}

func (c cluster) importArchives(containerd process, archives []string) error {
	for _, archive := range archives {
		if err := c.ctr(containerd, "images", "import", "--snapshotter", "native", archive); err != nil {
			return fmt.Errorf("cannot import %s: %w", archive, err)
		}
	}
	return nil
}
