package main

// Who is who in a cluster: its certificate authority, a certificate for each component, and their kubeconfigs.

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

const lifetime = 365 * 24 * time.Hour

// authority is the one CA of a cluster. It lives while the cluster is made; afterwards nobody needs its key but the
// controller that signs CertificateSigningRequests.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	folder      string
}

// pair is a certificate and its key as PEM.
type pair struct{ certificate, key []byte }

// writeIdentities makes the CA and everything that it signs, into the cluster's folder.
func (c cluster) writeIdentities() error {
	ca, err := newAuthority(c.path("pki"))
	if err != nil {
		return fmt.Errorf("cannot make the cluster's certificates: %w", err)
	}
	server := x509.Certificate{
		Subject:  pkix.Name{CommonName: "kube-apiserver"},
		DNSNames: []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		IPAddresses: []net.IP{net.ParseIP("127.0.0.1"), net.ParseIP("::1"), net.ParseIP(nodeV4), net.ParseIP(nodeV6),
			net.ParseIP(apiServiceV4)},
	}
	kubelet := x509.Certificate{
		Subject: pkix.Name{CommonName: nodeName}, DNSNames: []string{nodeName},
		IPAddresses: []net.IP{net.ParseIP(nodeV4), net.ParseIP(nodeV6)},
	}
	for name, template := range map[string]x509.Certificate{
		"apiserver": server, "kubelet-server": kubelet, "apiserver-to-kubelet": person("kube-apiserver-kubelet-client", "system:masters"),
	} {
		if err := ca.issueTo(name, template); err != nil {
			return err
		}
	}
	if err := writeTokenKey(c.path("pki")); err != nil {
		return err
	}
	return c.writeKubeconfigs(ca)
}

// writeKubeconfigs gives each component the identity that Kubernetes' built-in roles know it by.
func (c cluster) writeKubeconfigs(ca authority) error {
	for file, template := range map[string]x509.Certificate{
		"kubeconfig":                         person("kubernetes-admin", "system:masters"),
		"kubelet.kubeconfig":                 person("system:node:"+nodeName, "system:nodes"),
		"kube-proxy.kubeconfig":              person("system:kube-proxy"),
		"kube-scheduler.kubeconfig":          person("system:kube-scheduler"),
		"kube-controller-manager.kubeconfig": person("system:kube-controller-manager"),
		"coredns.kubeconfig":                 person("system:coredns"),
	} {
		issued, err := ca.issue(template)
		if err != nil {
			return err
		}
		if err := os.WriteFile(c.path(file), kubeconfig(ca, issued, c.name), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// person is a client by its user name and its groups.
func person(name string, groups ...string) x509.Certificate {
	return x509.Certificate{Subject: pkix.Name{CommonName: name, Organization: groups}}
}

func newAuthority(folder string) (authority, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return authority{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kith-test-cluster"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(lifetime),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return authority{}, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return authority{}, err
	}
	ca := authority{certificate: certificate, key: key, folder: folder}
	made, err := asPEM(der, key)
	if err != nil {
		return authority{}, err
	}
	return ca, made.write(folder, "ca")
}

// issue signs a certificate that serves and calls alike: the templates name who it is, and nothing else differs.
func (a authority) issue(template x509.Certificate) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return pair{}, err
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = a.certificate.NotBefore, a.certificate.NotAfter
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, &template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		return pair{}, err
	}
	return asPEM(der, key)
}

func (a authority) issueTo(name string, template x509.Certificate) error {
	issued, err := a.issue(template)
	if err != nil {
		return err
	}
	return issued.write(a.folder, name)
}

// writeTokenKey makes the key that service account tokens are signed with.
func writeTokenKey(folder string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(folder+"/tokens.key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

func asPEM(certificate []byte, key *ecdsa.PrivateKey) (pair, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return pair{}, err
	}
	return pair{
		certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		key:         pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}),
	}, nil
}

func (p pair) write(folder, name string) error {
	if err := os.WriteFile(folder+"/"+name+".crt", p.certificate, 0o644); err != nil {
		return err
	}
	return os.WriteFile(folder+"/"+name+".key", p.key, 0o600)
}

func kubeconfig(ca authority, who pair, clusterName string) []byte {
	anchor := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.certificate.Raw})
	encoded := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters: [{ name: %[1]s, cluster: { server: "https://%[2]s", certificate-authority-data: %[3]s } }]
users: [{ name: user, user: { client-certificate-data: %[4]s, client-key-data: %[5]s } }]
contexts: [{ name: %[1]s, context: { cluster: %[1]s, user: user } }]
current-context: %[1]s
`, clusterName, apiAddress, encoded(anchor), encoded(who.certificate), encoded(who.key))
}
