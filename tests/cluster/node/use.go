package main

// Using a cluster that is up: images into its node, commands in its network, components away and back.

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// mustBeUp says what to do about a cluster that is not.
func (c cluster) mustBeUp() error {
	if _, isUp := c.state(); !isUp || inode(c.namespacePath()) == 0 {
		return fmt.Errorf("cluster %s is not up: `tests/cluster/run up --name %s` starts it", c.name, c.name)
	}
	return nil
}

func load(c cluster, archives []string) error {
	if err := c.mustBeUp(); err != nil {
		return err
	}
	containerd, err := c.recorded("containerd")
	if err != nil {
		return fmt.Errorf("nothing to load images into: %w", err)
	}
	for i, archive := range archives {
		if archives[i], err = filepath.Abs(archive); err != nil {
			return err
		}
		// The node has another /var and /run, and would report a file there as missing.
		if _, err := os.Stat(archive); err != nil {
			return err
		}
		if hiddenByNode(archives[i]) {
			return fmt.Errorf("%s lies in /var or /run, which the node has of its own: copy it elsewhere", archives[i])
		}
	}
	return c.importArchives(containerd, archives)
}

// execInside becomes the command, so its input, output, signals and exit code are the caller's.
func execInside(c cluster, command []string) error {
	if err := c.mustBeUp(); err != nil {
		return err
	}
	environment := append(os.Environ(), c.environment()...)
	environment = append(environment, "PATH="+c.tools+":"+os.Getenv("PATH"))
	program, err := exec.LookPath("nsenter")
	if err != nil {
		return fmt.Errorf("nsenter is missing: install util-linux: %w", err)
	}
	return syscall.Exec(program, c.inside(command...), lastOfEach(environment))
}

// lastOfEach keeps, of variables that are set twice, the later: programs disagree on which one counts.
func lastOfEach(environment []string) []string {
	place := map[string]int{}
	var kept []string
	for _, variable := range environment {
		name, _, _ := strings.Cut(variable, "=")
		if at, known := place[name]; known {
			kept[at] = variable
			continue
		}
		place[name] = len(kept)
		kept = append(kept, variable)
	}
	return kept
}

// component gives the record of the one component that the arguments name.
func (c cluster) component(args []string) (process, error) {
	if err := c.mustBeUp(); err != nil {
		return process{}, err
	}
	if len(args) != 1 {
		return process{}, errUsage("name one component")
	}
	if args[0] == "containerd" {
		return process{}, fmt.Errorf("containerd holds the mounts of the node and cannot be restarted: stop the kubelet instead")
	}
	return c.recorded(args[0])
}

func stopComponent(c cluster, args []string) error {
	found, err := c.component(args)
	if err != nil {
		return err
	}
	return found.stop()
}

// startComponent starts what was stopped, as it was first started, and returns when it serves again.
func startComponent(c cluster, args []string) error {
	found, err := c.component(args)
	if err != nil || found.runs() {
		return err
	}
	if !c.isInside() {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		again := c.inside(self, "start", "--name", c.name, found.Name)
		child := exec.Command(again[0], again[1:]...)
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		return child.Run()
	}
	if _, err := c.startProcess(found.Name, found.Command); err != nil {
		return err
	}
	return c.awaitComponent(found.Name)
}

func (c cluster) awaitComponent(name string) error {
	server, err := c.api()
	if err != nil {
		return err
	}
	switch name {
	case "etcd", "kube-apiserver":
		return c.await("API server", patience, server.ready)
	case "kubelet": // its node may still count as ready from before, so itself is asked
		return c.await("kubelet", patience, func() error {
			return errors.Join(healthy("http://127.0.0.1:10248/healthz"), server.nodeTakesPods())
		})
	case "kube-proxy": // likewise: its rules are still there
		return c.await("kube-proxy", patience, func() error { return healthy("http://127.0.0.1:10256/healthz") })
	case "coredns":
		return c.await("names", patience, namesAnswer)
	}
	return nil
}

func list() error {
	clusters, err := allClusters()
	if err != nil {
		return err
	}
	for _, c := range clusters {
		found, isUp := c.state()
		dead := c.notRunning()
		switch {
		case !isUp:
			fmt.Printf("%s\thalf up\n", c.name)
		case len(dead) > 0:
			fmt.Printf("%s\tup, without %s\n", c.name, strings.Join(dead, ", "))
		case found.APIOnly:
			fmt.Printf("%s\tup, API only\n", c.name)
		default:
			fmt.Printf("%s\tup\n", c.name)
		}
	}
	return nil
}
