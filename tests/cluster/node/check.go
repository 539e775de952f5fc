package main

// `run check`: proof, by use, that a cluster does what Kith's tests rely on.

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"time"
)

var (
	//go:embed check/pods.yaml
	checkPods string
	//go:embed check/job.yaml
	checkOnce string
)

const checkNamespace = "kith-check"

// checks are run in this order; each says what it proves.
var checks = []struct {
	proves string
	run    func(cluster) error
}{
	{"pods start: native sidecar, restricted profile, gRPC and HTTP probes", (cluster).checkRollout},
	{"a pod and a Service have an address of each family", (cluster).checkFamilies},
	{"a Service is reached by its name, over IPv4 and IPv6", (cluster).checkNames},
	{"the node reaches a Service, and so the API server its webhooks", (cluster).checkNode},
	{"a pod is reached by its own name in a headless Service", (cluster).checkHeadless},
	{"a claim is bound, and its volume writable through fsGroup", (cluster).checkVolume},
	{"a token names its pod and node", (cluster).checkToken},
	{"logs are readable, and a Job completes", (cluster).checkJob},
	{"no call of a continual caller failed meanwhile", (cluster).checkCalls},
}

func check(c cluster) error {
	if err := c.mustBeUp(); err != nil {
		return err
	}
	began := time.Now()
	// Of an earlier check. Its end is not waited for there, and takes Kubernetes 10 s.
	if _, err := c.kubectl("", "delete", "namespace", checkNamespace, "--ignore-not-found", "--timeout=60s"); err != nil {
		return err
	}
	// A volume that was used is not used again: a new one takes its place.
	if err := c.renewVolumes(); err != nil {
		return err
	}
	if _, err := c.kubectl(checkPods, "apply", "--server-side", "-f", "-"); err != nil {
		return err
	}
	var failed error
	for _, each := range checks {
		since := time.Now()
		if failed = each.run(c); failed != nil {
			failed = fmt.Errorf("%s: %w", each.proves, failed)
			break
		}
		fmt.Printf("ok  %4.1f s  %s\n", time.Since(since).Seconds(), each.proves)
	}
	if failed != nil {
		// What is wrong is in there, until the next check.
		return fmt.Errorf("%w\nsee `kubectl -n %s describe pods`", failed, checkNamespace)
	}
	if _, err := c.kubectl("", "delete", "namespace", checkNamespace, "--wait=false"); err != nil {
		return err
	}
	fmt.Printf("%.1f s in all\n", time.Since(began).Seconds())
	return nil
}

// kubectl runs the wrapper, with input, and gives what it printed.
func (c cluster) kubectl(input string, args ...string) (string, error) {
	command := exec.Command(c.path("bin", "kubectl"), args...)
	command.Stdin = strings.NewReader(input)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(complaints.String()))
	}
	return strings.TrimSpace(string(output)), nil
}

func (c cluster) inCheck(args ...string) (string, error) {
	return c.kubectl("", append([]string{"--namespace", checkNamespace}, args...)...)
}

// fromCaller calls a URL once from the caller's pod.
func (c cluster) fromCaller(args ...string) (string, error) {
	return c.inCheck(append([]string{"exec", "caller", "--", "/kith-test-app"}, args...)...)
}

func (c cluster) checkRollout() error {
	_, first := c.inCheck("rollout", "status", "statefulset/answers", "--timeout=40s")
	_, second := c.inCheck("wait", "--for=condition=Ready", "pod/caller", "--timeout=40s")
	return errors.Join(first, second)
}

func (c cluster) checkFamilies() error {
	for _, question := range []struct{ object, path string }{
		{"pod/answers-0", "{.status.podIPs[*].ip}"}, {"service/answers", "{.spec.clusterIPs[*]}"},
	} {
		addresses, err := c.inCheck("get", question.object, "--output=jsonpath="+question.path)
		if err != nil {
			return err
		}
		if len(strings.Fields(addresses)) != 2 || !strings.Contains(addresses, ":") || !strings.Contains(addresses, ".") {
			return fmt.Errorf("%s has the addresses %q", question.object, addresses)
		}
	}
	return nil
}

func (c cluster) checkNames() error {
	for _, family := range []string{"4", "6"} {
		for _, name := range []string{"answers", "answers." + checkNamespace, "answers." + checkNamespace + ".svc.cluster.local"} {
			if _, err := c.fromCaller("--family="+family, "--once=http://"+name+"/"); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c cluster) checkNode() error {
	addresses, err := c.inCheck("get", "service/answers", "--output=jsonpath={.spec.clusterIPs[*]}")
	if err != nil {
		return err
	}
	for _, address := range strings.Fields(addresses) {
		command := c.inside(c.tool("kith-test-app"), "--once=http://"+net.JoinHostPort(address, "80")+"/")
		if err := run(command[0], command[1:]...); err != nil {
			return err
		}
	}
	return nil
}

func (c cluster) checkHeadless() error {
	for _, family := range []string{"4", "6"} {
		answer, err := c.fromCaller("--family="+family, "--once=http://answers-0.each:8080/")
		if err != nil {
			return err
		}
		if !strings.Contains(answer, `\"pod\":\"answers-0\"`) {
			return fmt.Errorf("somebody else answered: %s", answer)
		}
	}
	return nil
}

func (c cluster) checkVolume() error {
	_, err := c.inCheck("exec", "answers-0", "--container=app", "--", "touch", "/state/written")
	return err
}

// checkToken reviews the token of the caller's pod: what the review says is all that attestation goes by.
func (c cluster) checkToken() error {
	token, err := c.inCheck("exec", "caller", "--", "cat", "/token/token")
	if err != nil {
		return err
	}
	review, err := json.Marshal(map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
		"spec": map[string]any{"token": token, "audiences": []string{"kith.dev/ca"}},
	})
	if err != nil {
		return err
	}
	answer, err := c.kubectl(string(review), "create", "-f", "-", "--output=json")
	if err != nil {
		return err
	}
	var reviewed struct {
		Status struct {
			Authenticated bool
			User          struct{ Extra map[string][]string }
		}
	}
	if err := json.Unmarshal([]byte(answer), &reviewed); err != nil {
		return err
	}
	extra := reviewed.Status.User.Extra
	if !reviewed.Status.Authenticated ||
		!slices.Equal(extra["authentication.kubernetes.io/pod-name"], []string{"caller"}) ||
		!slices.Equal(extra["authentication.kubernetes.io/node-name"], []string{nodeName}) ||
		len(extra["authentication.kubernetes.io/pod-uid"]) != 1 {
		return fmt.Errorf("the review says %+v", reviewed.Status)
	}
	return nil
}

func (c cluster) checkJob() error {
	if _, err := c.kubectl(checkOnce, "apply", "--server-side", "-f", "-"); err != nil {
		return err
	}
	if _, err := c.inCheck("wait", "--for=condition=Complete", "job/once", "--timeout=30s"); err != nil {
		return err
	}
	logs, err := c.inCheck("logs", "job/once")
	if err == nil && !strings.Contains(logs, `"status":204`) {
		err = fmt.Errorf("the Job's log says %q", logs)
	}
	return err
}

// checkCalls expects calls that went well. The first ones may have found nobody: the caller starts with the rest.
func (c cluster) checkCalls() error {
	before, err := c.countCalls()
	if err != nil {
		return err
	}
	var after callCounts
	enough := until(10*time.Second, func() bool {
		after, err = c.countCalls()
		return err != nil || after.OK >= before.OK+20
	})
	if err != nil {
		return err
	}
	if !enough || after.bad() != before.bad() {
		return fmt.Errorf("calls were counted as %+v, then as %+v", before, after)
	}
	return nil
}

type callCounts struct {
	Attempted, OK   int
	Refused, Failed map[string]int
}

func (n callCounts) bad() int {
	sum := 0
	for _, kind := range []map[string]int{n.Refused, n.Failed} {
		for _, count := range kind {
			sum += count
		}
	}
	return sum
}

func (c cluster) countCalls() (callCounts, error) {
	var found callCounts
	text, err := c.inCheck("exec", "caller", "--", "wget", "-q", "-O-", "http://127.0.0.1:8080/counts")
	if err != nil {
		return found, err
	}
	return found, json.Unmarshal([]byte(text), &found)
}
