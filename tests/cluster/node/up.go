package main

// Bringing a cluster up: a folder, a network, processes in the order in which they need each other.

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"text/template"
	"time"
)

//go:embed config
var configs embed.FS

// state is written when a cluster has become usable; without it, whatever lies in the folder is half up.
type state struct {
	APIOnly bool `json:"apiOnly"`
}

func up(c cluster, apiOnly bool) error {
	if hiddenByNode(c.folder) {
		return fmt.Errorf("%s lies in /var or /run, which a node has of its own: check the repository out elsewhere", c.folder)
	}
	lock, err := c.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	usable, err := c.usable(apiOnly)
	if err != nil || usable {
		return err
	}
	began := time.Now()
	if err := c.bringUp(apiOnly); err != nil {
		// Its logs stay for whoever wants to know why; everything else goes.
		return errors.Join(err, c.end())
	}
	fmt.Printf("cluster %s is up after %.1f s\n", c.name, time.Since(began).Seconds())
	c.explain()
	return nil
}

// usable says whether there is nothing left to do. What is half up or broken is removed.
func (c cluster) usable(apiOnly bool) (bool, error) {
	found, isUp := c.state()
	dead := c.notRunning()
	switch {
	case isUp && len(dead) == 0 && found.APIOnly && !apiOnly:
		return false, fmt.Errorf("cluster %s is up without a node: take it down first, or use another --name", c.name)
	case isUp && len(dead) == 0:
		fmt.Printf("cluster %s is up already\n", c.name)
		c.explain()
		return true, c.renewVolumes()
	case isUp:
		fmt.Printf("cluster %s is not whole (not running: %s): starting anew\n", c.name, strings.Join(dead, ", "))
	case len(c.componentNames()) > 0:
		fmt.Printf("cluster %s was left half up: starting anew\n", c.name)
	case inode(c.namespacePath()) != 0 && !c.begun():
		return false, fmt.Errorf("network namespace %s exists, and no cluster of this checkout made it: use another --name, "+
			"or `run down --name %s` if it may go", c.namespace(), c.name)
	}
	if err := c.end(); err != nil {
		return false, err
	}
	return false, c.emptyFolder()
}

// begun says whether this checkout has begun to make the cluster; the folder itself exists as soon as it is held.
func (c cluster) begun() bool {
	_, err := os.Stat(c.path("processes"))
	return err == nil
}

func (c cluster) bringUp(apiOnly bool) error {
	for _, folder := range []string{"processes", "logs", "images", "cache", "bin"} {
		if err := os.MkdirAll(c.path(folder), 0o755); err != nil {
			return err
		}
	}
	if err := errors.Join(c.writeIdentities(), c.writeConfigs(), c.writeVar(), c.writeWrappers(), c.makeNetwork()); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	command := c.inside(self, "boot", "--name", c.name)
	if apiOnly {
		command = append(command, "--api-only")
	}
	child := exec.Command(command[0], command[1:]...)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	// Should this program be killed, its child goes on with nothing. The kernel goes by the thread that started it,
	// which Go must not end before.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := child.Run(); err != nil {
		return fmt.Errorf("cluster %s did not come up: %w", c.name, err)
	}
	text, err := json.Marshal(state{APIOnly: apiOnly})
	if err != nil {
		return err
	}
	return os.WriteFile(c.path("state.json"), text, 0o644)
}

// state gives what `up` wrote at its end, and whether it did.
func (c cluster) state() (state, bool) {
	text, err := os.ReadFile(c.path("state.json"))
	if err != nil {
		return state{}, false
	}
	var found state
	return found, json.Unmarshal(text, &found) == nil
}

// writeConfigs fills in the configuration files, which lie beside this one as they are read.
func (c cluster) writeConfigs() error {
	values := map[string]any{
		"Folder": c.folder, "PKI": c.path("pki"), "Namespace": c.namespace(), "Node": nodeName,
		"NodeV4": nodeV4, "NodeV6": nodeV6, "PodsV4": podsV4, "PodsV6": podsV6, "DNSV4": dnsV4, "DNSV6": dnsV6,
	}
	var numbers []string
	for i := range volumes {
		numbers = append(numbers, fmt.Sprintf("%02d", i))
	}
	values["Volumes"] = numbers
	templates, err := template.ParseFS(configs, "config/*")
	if err != nil {
		return err
	}
	for _, each := range templates.Templates() {
		file, err := os.Create(c.path(each.Name()))
		if err != nil {
			return err
		}
		if err := errors.Join(each.Execute(file, values), file.Close()); err != nil {
			return err
		}
	}
	return os.WriteFile(c.path("resolv.conf"), []byte("nameserver "+dnsV4+"\n"), 0o644)
}

// writeVar makes what the node sees as its /var.
func (c cluster) writeVar() error {
	folders := []string{"lib/kubelet", "lib/containerd", "lib/cni/net.d", "log/pods", "log/containers", "tmp", "cache"}
	for i := range volumes {
		folders = append(folders, fmt.Sprintf("lib/volumes/%02d", i))
	}
	for _, folder := range folders {
		if err := os.MkdirAll(c.path("var", folder), 0o755); err != nil {
			return err
		}
	}
	network, err := os.ReadFile(c.path("pods.conflist"))
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(c.path("var", "lib/cni/net.d/pods.conflist"), network, 0o644),
		os.Symlink("/run", c.path("var", "run")),
		os.Symlink(c.path("var", "log/pods"), c.path("logs", "pods")),
	)
}

// writeWrappers writes kubectl and helm as they are called from outside, and `env` for a shell.
func (c cluster) writeWrappers() error {
	exports := ""
	for _, variable := range c.environment() {
		name, value, _ := strings.Cut(variable, "=")
		exports += fmt.Sprintf("export %s='%s'\n", name, value)
	}
	for _, tool := range []string{"kubectl", "helm"} {
		script := "#!/bin/sh\n# " + tool + " for cluster " + c.name + ", from anywhere on this machine.\n" + exports +
			"exec nsenter --net=" + c.namespacePath() + " -- '" + c.tool(tool) + "' \"$@\"\n"
		if err := os.WriteFile(c.path("bin", tool), []byte(script), 0o755); err != nil {
			return err
		}
	}
	return os.WriteFile(c.path("env"), []byte(exports+"export PATH='"+c.path("bin")+"':\"$PATH\"\n"), 0o644)
}

func (c cluster) explain() {
	fmt.Printf("  . %s    then: kubectl get pods -A\n", c.path("env"))
	fmt.Printf("  tests/cluster/run exec --name %s -- COMMAND    for what must be in its network\n", c.name)
}
