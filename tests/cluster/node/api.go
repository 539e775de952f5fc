package main

// Asking a cluster whether it is usable: plain requests to its API server, and waiting with a reason.

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// api asks the API server as its administrator. It works inside the cluster's network only.
type api struct{ client *http.Client }

func (c cluster) api() (api, error) {
	who, err := tls.LoadX509KeyPair(c.path("pki", "apiserver-to-kubelet.crt"), c.path("pki", "apiserver-to-kubelet.key"))
	if err != nil {
		return api{}, err
	}
	anchor, err := os.ReadFile(c.path("pki", "ca.crt"))
	if err != nil {
		return api{}, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(anchor)
	transport := &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{who}, RootCAs: roots}}
	return api{client: &http.Client{Transport: transport, Timeout: 5 * time.Second}}, nil
}

// get reads an object into `into`, or only asks whether it is there if `into` is nil.
func (a api) get(path string, into any) error {
	response, err := a.client.Get("https://" + apiAddress + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, response.Status)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(body, into)
}

// ready is nil when the API server says that it serves.
func (a api) ready() error { return a.get("/readyz", nil) }

// accountsAreMade is nil when service accounts and their trust anchors appear, without which no pod starts.
func (a api) accountsAreMade() error {
	if err := a.get("/api/v1/namespaces/default/serviceaccounts/default", nil); err != nil {
		return err
	}
	return a.get("/api/v1/namespaces/default/configmaps/kube-root-ca.crt", nil)
}

// nodeTakesPods is nil when the node is ready and nothing keeps pods from it.
func (a api) nodeTakesPods() error {
	var node struct {
		Spec   struct{ Taints []struct{ Key string } }
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := a.get("/api/v1/nodes/"+nodeName, &node); err != nil {
		return err
	}
	if len(node.Spec.Taints) > 0 {
		return fmt.Errorf("%s is tainted %s", nodeName, node.Spec.Taints[0].Key)
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == "Ready" && condition.Status == "True" {
			return nil
		}
	}
	return fmt.Errorf("%s is not ready", nodeName)
}

// namesAnswer is nil when CoreDNS answers through its Service, which also shows that kube-proxy's rules are there.
func namesAnswer() error {
	for _, server := range []string{dnsV4, dnsV6} {
		resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "udp", net.JoinHostPort(server, "53"))
		}}
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		_, err := resolver.LookupHost(ctx, "kubernetes.default.svc.cluster.local.")
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// healthy is nil when a component says so of itself, in the clear on the node's loopback.
func healthy(address string) error {
	client := &http.Client{Timeout: time.Second}
	response, err := client.Get(address)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", address, response.Status)
	}
	return nil
}

// await waits until `holds` returns nil. It gives up when the time is over or a component of the cluster has died,
// and then says what was missing last, and the end of the dead component's log.
func (c cluster) await(what string, patience time.Duration, holds func() error) error {
	var missing error
	var dead []string
	done := until(patience, func() bool {
		missing = holds()
		dead = c.notRunning()
		return missing == nil || len(dead) > 0
	})
	switch {
	case missing == nil:
		return nil
	case len(dead) > 0:
		return fmt.Errorf("%s died while waiting for %s; its log ends:\n%s", dead[0], what, c.logTail(dead[0]))
	case !done:
		return fmt.Errorf("no %s after %s: %w; see the logs in %s", what, patience, missing, c.path("logs"))
	}
	return errors.New("unreachable: waiting ends by success, death or time")
}

func (c cluster) logTail(name string) string {
	text, err := os.ReadFile(c.logPath(name))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
