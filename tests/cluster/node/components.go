package main

// What each component is called with. What has no comment is how an ordinary cluster does it.

import "strconv"

// Enough of a log to see why something did not happen.
const verbosity = "--v=1"

// etcd keeps the objects. A cluster is thrown away as a whole, so nothing waits for a disk.
func (c cluster) etcd() []string {
	return []string{
		"etcd", "--data-dir=" + c.path("etcd"), "--unsafe-no-fsync", "--logger=zap", "--log-level=warn",
		"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
		"--initial-cluster=default=http://127.0.0.1:2380",
	}
}

// apiServer runs in the node's network, as everything does: kube-proxy's rules apply to it, so it reaches the
// webhooks of pods by their Services.
func (c cluster) apiServer() []string {
	pki := c.path("pki")
	return []string{
		c.tool("kube-apiserver"), verbosity,
		"--etcd-servers=http://127.0.0.1:2379",
		"--bind-address=::", "--secure-port=6443", "--advertise-address=" + nodeV4,
		"--tls-cert-file=" + pki + "/apiserver.crt", "--tls-private-key-file=" + pki + "/apiserver.key",
		"--client-ca-file=" + pki + "/ca.crt",
		"--kubelet-certificate-authority=" + pki + "/ca.crt",
		"--kubelet-client-certificate=" + pki + "/apiserver-to-kubelet.crt",
		"--kubelet-client-key=" + pki + "/apiserver-to-kubelet.key",
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + pki + "/tokens.key",
		"--service-account-signing-key-file=" + pki + "/tokens.key",
		"--service-cluster-ip-range=" + servicesV4 + "," + servicesV6,
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
	}
}

func (c cluster) controllerManager() []string {
	pki := c.path("pki")
	return []string{
		c.tool("kube-controller-manager"), verbosity,
		"--kubeconfig=" + c.path("kube-controller-manager.kubeconfig"),
		"--authentication-kubeconfig=" + c.path("kube-controller-manager.kubeconfig"),
		"--authorization-kubeconfig=" + c.path("kube-controller-manager.kubeconfig"),
		"--bind-address=127.0.0.1", "--leader-elect=false", "--use-service-account-credentials=true",
		"--service-account-private-key-file=" + pki + "/tokens.key", "--root-ca-file=" + pki + "/ca.crt",
		"--cluster-signing-cert-file=" + pki + "/ca.crt", "--cluster-signing-key-file=" + pki + "/ca.key",
		"--service-cluster-ip-range=" + servicesV4 + "," + servicesV6,
		// It holds itself back to 20 requests a second, and would be four seconds about starting its controllers.
		"--kube-api-qps=500", "--kube-api-burst=1000",
	}
}

func (c cluster) scheduler() []string {
	return []string{
		c.tool("kube-scheduler"), verbosity,
		"--kubeconfig=" + c.path("kube-scheduler.kubeconfig"),
		"--authentication-kubeconfig=" + c.path("kube-scheduler.kubeconfig"),
		"--authorization-kubeconfig=" + c.path("kube-scheduler.kubeconfig"),
		"--bind-address=127.0.0.1", "--leader-elect=false",
	}
}

// containerd gets a mount namespace, in which /run and /var are the cluster's own. So every path that some program
// takes for granted (/var/lib/kubelet, /var/log/containers, /run/containerd/s) is there for each cluster alone, and
// all mounts vanish with the last process that sees them.
func (c cluster) containerd() []string {
	script := `mount --bind "$1" /var; mount -t tmpfs -o mode=755 tmpfs /run; exec containerd --config "$2"`
	return []string{
		"unshare", "--mount", "--propagation", "private", "--",
		"sh", "-ec", script, "containerd", c.path("var"), c.path("containerd.toml"),
	}
}

func (c cluster) kubelet(containerd process) []string {
	return besideContainerd(containerd,
		c.tool("kubelet"), verbosity,
		"--config="+c.path("kubelet.yaml"), "--kubeconfig="+c.path("kubelet.kubeconfig"),
		"--hostname-override="+nodeName, "--node-ip="+nodeV4+","+nodeV6,
	)
}

// kubeProxy leaves the machine's connection tracking limits alone: 0 means that.
func (c cluster) kubeProxy() []string {
	return []string{
		c.tool("kube-proxy"), verbosity,
		"--kubeconfig=" + c.path("kube-proxy.kubeconfig"), "--hostname-override=" + nodeName,
		"--proxy-mode=nftables", "--cluster-cidr=" + podsV4 + "," + podsV6, "--oom-score-adj=0",
		"--conntrack-max-per-core=0", "--conntrack-min=0",
		"--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0",
		"--conntrack-udp-timeout=0", "--conntrack-udp-timeout-stream=0",
	}
}

func (c cluster) coreDNS() []string {
	return []string{c.tool("coredns"), "-conf", c.path("Corefile")}
}

// besideContainerd wraps a command so that it sees the mounts that containerd sees.
func besideContainerd(containerd process, command ...string) []string {
	mounts := "--mount=/proc/" + strconv.Itoa(containerd.PID) + "/ns/mnt"
	return append([]string{"nsenter", mounts, "--"}, command...)
}
