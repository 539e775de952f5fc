// kith-cluster starts, stops and describes the real Kubernetes clusters that Kith's tests run in.
//
// Owned here: the words of its command line. Not owned: building what the clusters are made of, which is
// `tests/cluster/run`. What `up` does is in up.go and, in the cluster's network, in boot.go; down.go and check.go are the
// commands of that name, and use.go has those for a cluster that is up.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
)

const usage = `usage:
  run up [--name NAME] [--api-only]      start a cluster, and return when it is usable
  run down [--name NAME | --all]         remove everything that up made
  run load [--name NAME] FILE.tar...     import images into its node
  run exec [--name NAME] -- COMMAND...   run a command inside its network, with kubectl and helm at hand
  run stop|start [--name NAME] COMPONENT take a component away, bring it back
  run check [--name NAME]                prove in about 15 s that the cluster does what the tests rely on
  run list                               the clusters of this checkout
`

// errUsage is a command line that means nothing; its text is the reason.
type errUsage string

func (e errUsage) Error() string { return string(e) }

func main() {
	err := dispatch(os.Args[1:])
	var wrong errUsage
	var failed *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &wrong):
		fmt.Fprintf(os.Stderr, "%s\n%s", wrong, usage)
		os.Exit(64)
	case errors.As(err, &failed) && failed.ExitCode() > 0:
		fmt.Fprintf(os.Stderr, "kith-cluster: %s\n", err)
		os.Exit(failed.ExitCode())
	default:
		fmt.Fprintf(os.Stderr, "kith-cluster: %s\n", err)
		os.Exit(1)
	}
}

// dispatch reads the command and its flags, and calls the one function that does it.
func dispatch(args []string) error {
	if len(args) == 0 {
		return errUsage("no command")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.Usage = func() {}
	name := flags.String("name", "kith", "")
	apiOnly, all := new(bool), new(bool)
	switch args[0] {
	case "up", "boot":
		apiOnly = flags.Bool("api-only", false, "")
	case "down":
		all = flags.Bool("all", false, "")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return errUsage(err.Error())
	}
	c, err := clusterNamed(*name)
	if err != nil {
		return errUsage(err.Error())
	}
	return perform(args[0], c, flags.Args(), *apiOnly, *all)
}

func perform(command string, c cluster, rest []string, apiOnly, all bool) error {
	takesArguments := command == "load" || command == "exec" || command == "stop" || command == "start"
	if takesArguments != (len(rest) > 0) {
		return errUsage(fmt.Sprintf("%s: wrong number of arguments", command))
	}
	switch command {
	case "up":
		return up(c, apiOnly)
	case "boot": // what up runs inside the network namespace; not for people
		return boot(c, apiOnly)
	case "down":
		return downNamed(c, all)
	case "load":
		return load(c, rest)
	case "exec":
		return execInside(c, rest)
	case "stop":
		return stopComponent(c, rest)
	case "start":
		return startComponent(c, rest)
	case "check":
		return check(c)
	case "list":
		return list()
	}
	return errUsage(fmt.Sprintf("%q is no command", command))
}
