package main

// Taking a cluster down, from any state it may be in: every process, cgroup, network and file that `up` made.

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

func downNamed(c cluster, all bool) error {
	if !all {
		return c.down()
	}
	clusters, err := allClusters()
	if err != nil {
		return err
	}
	var failed []error
	for _, each := range clusters {
		failed = append(failed, each.down())
	}
	return errors.Join(failed...)
}

func (c cluster) down() error {
	if c.isInside() {
		return fmt.Errorf("this shell is inside cluster %s and would be ended with it: leave it first", c.name)
	}
	if !c.hasTrace() && inode(c.namespacePath()) == 0 {
		fmt.Printf("cluster %s is not up\n", c.name)
		return nil
	}
	lock, err := c.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := c.end(); err != nil {
		return err
	}
	if err := os.RemoveAll(c.folder); err != nil {
		return fmt.Errorf("cannot remove the cluster's files: %w", err)
	}
	fmt.Printf("cluster %s is down\n", c.name)
	return nil
}

// end ends every process and removes what the kernel holds for the cluster. Its files stay.
func (c cluster) end() error {
	if err := os.Remove(c.path("state.json")); err != nil && !os.IsNotExist(err) {
		return err
	}
	var left []int
	gone := until(20*time.Second, func() bool {
		left = c.processes()
		for _, pid := range left {
			// It may be gone since it was counted; whoever is not shows in the next count.
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		return len(left) == 0
	})
	if !gone {
		return fmt.Errorf("processes %v of cluster %s do not end, not even killed: look at /proc/PID/stack", left, c.name)
	}
	return errors.Join(c.removeNetwork(), c.removeCgroups())
}

// processes gives every living process of the cluster: those in its network (the components, the shims, host-network
// pods, commands of `exec`), those in its cgroup (all pods), and those recorded, should the first two be gone.
func (c cluster) processes() []int {
	found := map[int]bool{}
	for _, name := range c.componentNames() {
		if recorded, err := c.recorded(name); err == nil && recorded.runs() {
			found[recorded.PID] = true
		}
	}
	for _, pid := range c.inCgroup() {
		found[pid] = true
	}
	if network := inode(c.namespacePath()); network != 0 {
		for _, pid := range allProcesses() {
			if inode("/proc/"+strconv.Itoa(pid)+"/ns/net") == network {
				found[pid] = true
			}
		}
	}
	var living []int
	for pid := range found {
		if _, lives := readStat(pid); lives {
			living = append(living, pid)
		}
	}
	return living
}

func allProcesses() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil { // there is no Linux without it
		return nil
	}
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
