package main

// The network namespace of a cluster: made, entered, removed. It has no way out: what runs in it cannot reach the
// machine's own network, and several clusters cannot meet.

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// makeNetwork makes the namespace with the node's addresses and a default route for each family: Kubernetes looks
// for the node's address behind the default route, and refuses to start without one.
func (c cluster) makeNetwork() error {
	if _, err := os.Stat("/proc/net/if_inet6"); err != nil {
		return fmt.Errorf("this kernel has no IPv6, and the clusters are dual-stack: boot without ipv6.disable=1")
	}
	if _, err := os.Stat("/proc/sys/net/bridge"); err != nil {
		if err := run("modprobe", "br_netfilter"); err != nil {
			return fmt.Errorf("this kernel does not filter on bridges, which Services between pods need: %w", err)
		}
	}
	if err := run("ip", "netns", "add", c.namespace()); err != nil {
		return err
	}
	// A pair of veths with both ends inside stands in for a network card; not every kernel has a dummy device.
	for _, arguments := range []string{
		"link set lo up",
		"link add node0 type veth peer name wire0",
		"link set wire0 up",
		"link set node0 up",
		"addr add " + nodeV4 + "/" + nodeV4Bits + " dev node0",
		"addr add " + nodeV6 + "/" + nodeV6Bits + " dev node0 nodad",
		"route add default via " + gatewayV4 + " dev node0",
		"-6 route add default via " + gatewayV6 + " dev node0",
	} {
		if err := run("ip", append([]string{"-n", c.namespace()}, strings.Fields(arguments)...)...); err != nil {
			return err
		}
	}
	return nil
}

// routePods lets the node route between its pods. It is called inside the namespace, whose settings these are.
func routePods() error {
	for _, setting := range []struct{ path, value string }{
		{"ipv4/ip_forward", "1"},
		{"ipv6/conf/all/forwarding", "1"},
		// An answer between two pods crosses the bridge only; it must pass kube-proxy's rules all the same, or the
		// caller of a Service sees the pod's address in it.
		{"bridge/bridge-nf-call-iptables", "1"},
		{"bridge/bridge-nf-call-ip6tables", "1"},
		// Nobody else is here whose address one could take: no pod waits a second to find that out.
		{"ipv6/conf/default/accept_dad", "0"},
	} {
		if err := os.WriteFile("/proc/sys/net/"+setting.path, []byte(setting.value), 0o644); err != nil {
			return fmt.Errorf("cannot set net/%s: %w", setting.path, err)
		}
	}
	return nil
}

func (c cluster) removeNetwork() error {
	if _, err := os.Stat(c.namespacePath()); os.IsNotExist(err) {
		return nil
	}
	if err := run("ip", "netns", "delete", c.namespace()); err != nil {
		return err
	}
	// `ip` mounts this folder on itself for the first namespace, and would leave it. While others are in it, the
	// kernel refuses, which is right.
	_ = syscall.Unmount("/run/netns", 0)
	return nil
}

// inside wraps a command so that it runs in the cluster's network. `ip netns exec` would not do: it mounts another
// /sys, which hides the cgroups.
func (c cluster) inside(command ...string) []string {
	return append([]string{"nsenter", "--net=" + c.namespacePath(), "--"}, command...)
}

// isInside says whether this process is in the cluster's network already.
func (c cluster) isInside() bool {
	own, theirs := inode("/proc/self/ns/net"), inode(c.namespacePath())
	return own != 0 && own == theirs
}

// inode identifies a namespace by its file; 0 if there is none.
func inode(path string) uint64 {
	var found syscall.Stat_t
	if syscall.Stat(path, &found) != nil {
		return 0
	}
	return found.Ino
}

// run runs a command to its end; an error carries what it printed.
func run(command string, args ...string) error {
	output, err := exec.Command(command, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", command, strings.Join(args, " "), err, strings.TrimSpace(string(output)))
	}
	return nil
}
