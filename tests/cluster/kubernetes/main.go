// One file that is every Kubernetes program a test cluster runs: it does what the name it is called by says.
//
// Owned here: the dispatch on that name. Not owned: anything that the programs do; each is the upstream command,
// compiled unchanged from the pinned module. One file instead of six is six times less to link and to keep.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	kubectl "k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"

	// What the upstream mains register: the JSON log format, and metrics about the programs themselves.
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

func main() {
	name := filepath.Base(os.Args[0])
	command := commandFor(name)
	if command == nil {
		fmt.Fprintf(os.Stderr, "%s is none of these programs: call this file by the name of a Kubernetes component\n", name)
		os.Exit(64)
	}
	if name == "kubectl" {
		// kubectl words its own errors; cli.Run would print them again with the usage.
		if err := cli.RunNoErrOutput(command); err != nil {
			util.CheckErr(err)
		}
		return
	}
	os.Exit(cli.Run(command))
}

// commandFor gives the upstream command of that name, or nil.
func commandFor(name string) *cobra.Command {
	switch name {
	case "kube-apiserver":
		return apiserver.NewAPIServerCommand()
	case "kube-controller-manager":
		return controllermanager.NewControllerManagerCommand()
	case "kube-scheduler":
		return scheduler.NewSchedulerCommand()
	case "kubelet":
		return kubelet.NewKubeletCommand(context.Background())
	case "kube-proxy":
		return proxy.NewProxyCommand()
	case "kubectl":
		return kubectl.NewDefaultKubectlCommand()
	}
	return nil
}
