package main

// What a cluster is called, and where everything that belongs to it lies.

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// The addresses of a cluster. Every cluster has a network namespace of its own without a way out of it, so all of
// them use the same ones and cannot clash.
const (
	nodeV4, nodeV4Bits = "172.30.0.2", "24"
	nodeV6, nodeV6Bits = "fd00:30::2", "64"
	gatewayV4          = "172.30.0.1"
	gatewayV6          = "fd00:30::1"
	podsV4             = "10.244.0.0/16"
	podsV6             = "fd00:244::/64"
	servicesV4         = "10.96.0.0/16"
	servicesV6         = "fd00:96::/112"
	apiServiceV4       = "10.96.0.1"
	dnsV4              = "10.96.0.10"
	dnsV6              = "fd00:96::a"
	apiAddress         = "127.0.0.1:6443"
	nodeName           = "node-1"
	volumes            = 20
)

var validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?$`)

// cluster is one cluster by its name. Its methods answer where its things are; none of them needs it to be up.
type cluster struct {
	name   string
	tools  string // target/cluster/bin, shared by all clusters
	folder string // target/cluster/run/NAME, this one's own
}

// clusterNamed gives the cluster of that name, beside the tools that this program lies with.
func clusterNamed(name string) (cluster, error) {
	if !validName.MatchString(name) {
		return cluster{}, fmt.Errorf("%q cannot name a cluster: use up to 24 of a-z, 0-9 and -", name)
	}
	tools, err := toolsFolder()
	if err != nil {
		return cluster{}, err
	}
	return cluster{name: name, tools: tools, folder: filepath.Join(runFolder(tools), name)}, nil
}

// allClusters gives every cluster of this checkout that has left a folder, up or half up.
func allClusters() ([]cluster, error) {
	tools, err := toolsFolder()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(runFolder(tools))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []cluster
	for _, entry := range entries {
		if entry.IsDir() && validName.MatchString(entry.Name()) {
			found = append(found, cluster{name: entry.Name(), tools: tools, folder: filepath.Join(runFolder(tools), entry.Name())})
		}
	}
	return found, nil
}

func toolsFolder() (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("cannot find this program's own folder: %w", err)
	}
	return filepath.Dir(program), nil
}

func runFolder(tools string) string { return filepath.Join(filepath.Dir(tools), "run") }

// namespace is the name of the network namespace, and of the cgroup that holds the pods.
func (c cluster) namespace() string { return "kith-" + c.name }

func (c cluster) namespacePath() string { return "/run/netns/" + c.namespace() }

// path gives a file in the cluster's folder.
func (c cluster) path(parts ...string) string {
	return filepath.Join(append([]string{c.folder}, parts...)...)
}

// tool gives a program that was built for the clusters.
func (c cluster) tool(name string) string { return filepath.Join(c.tools, name) }

func (c cluster) kubeconfig() string { return c.path("kubeconfig") }

// environment is what a command needs to use the cluster from inside its network namespace. Caches stay in the
// cluster's folder: a test leaves nothing in its user's home.
func (c cluster) environment() []string {
	return []string{
		"KUBECONFIG=" + c.kubeconfig(),
		"KUBECACHEDIR=" + c.path("cache", "kubectl"),
		"HELM_CACHE_HOME=" + c.path("cache", "helm"),
		"HELM_CONFIG_HOME=" + c.path("cache", "helm"),
		"HELM_DATA_HOME=" + c.path("cache", "helm"),
		"KITH_CLUSTER=" + c.name,
	}
}

// hiddenByNode says whether the node could not see that folder: it has a /run and a /var of its own.
func hiddenByNode(folder string) bool {
	return strings.HasPrefix(folder, "/var/") || strings.HasPrefix(folder, "/run/")
}
