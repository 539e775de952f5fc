package main

// The two images that every cluster has, written as docker archives without Docker: one layer, a config, a manifest.

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// The tools of busybox that are links in the application's image: what people type into `kubectl exec`.
var busyboxTools = []string{"sh", "cat", "ls", "ps", "env", "id", "sleep", "true", "false", "wget", "nc", "nslookup",
	"ip", "ping", "mount", "grep", "test", "echo", "touch", "tail", "kill"}

// image is what a container starts from.
type image struct {
	reference  string
	entrypoint []string
	user       string
	layer      func(*layer) error
}

// images are loaded by `up`. Pods name them with `imagePullPolicy: Never`.
func (c cluster) images() map[string]image {
	return map[string]image{
		"pause.tar": {
			reference: "kith.test/pause:1", entrypoint: []string{"/pause"}, user: "65535:65535",
			layer: func(l *layer) error { return l.file("pause", c.tool("pause")) },
		},
		"app.tar": {
			reference: "kith.test/app:1", entrypoint: []string{"/kith-test-app"}, user: "65534:65534",
			layer: func(l *layer) error {
				l.folder("bin", 0o755)
				l.folder("tmp", 0o1777)
				l.text("etc/passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
				l.text("etc/group", "root:x:0:\nnobody:x:65534:\n")
				for _, tool := range busyboxTools {
					l.link("bin/"+tool, "/bin/busybox")
				}
				if err := l.file("bin/busybox", "/bin/busybox"); err != nil {
					return err
				}
				return l.file("kith-test-app", c.tool("kith-test-app"))
			},
		},
	}
}

// layer collects files; the first error stays, and is what `done` returns.
type layer struct {
	buffer  bytes.Buffer
	archive *tar.Writer
	failed  error
}

func newLayer() *layer {
	l := &layer{}
	l.archive = tar.NewWriter(&l.buffer)
	return l
}

func (l *layer) add(header tar.Header, content []byte) {
	header.Size = int64(len(content))
	if l.failed == nil {
		l.failed = l.archive.WriteHeader(&header)
	}
	if l.failed == nil {
		_, l.failed = l.archive.Write(content)
	}
}

func (l *layer) folder(name string, mode int64) {
	l.add(tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode}, nil)
}

func (l *layer) link(name, target string) {
	l.add(tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, nil)
}

func (l *layer) text(name, content string) {
	l.add(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, []byte(content))
}

func (l *layer) file(name, source string) error {
	content, err := os.ReadFile(source)
	if err != nil {
		return fmt.Errorf("an image needs it: %w", err)
	}
	l.add(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755}, content)
	return nil
}

func (l *layer) done() ([]byte, error) {
	if l.failed == nil {
		l.failed = l.archive.Close()
	}
	return l.buffer.Bytes(), l.failed
}

// write packs the image into a file that `ctr images import` reads.
func (i image) write(path string) error {
	content := newLayer()
	if err := i.layer(content); err != nil {
		return err
	}
	files, err := content.done()
	if err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": i.entrypoint, "User": i.user, "Env": []string{"PATH=/bin"}, "WorkingDir": "/"},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(files))}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]any{map[string]any{
		"Config": "config.json", "RepoTags": []string{i.reference}, "Layers": []string{"layer.tar"},
	}})
	if err != nil {
		return err
	}
	archive := newLayer()
	archive.text("config.json", string(config))
	archive.text("layer.tar", string(files))
	archive.text("manifest.json", string(manifest))
	packed, err := archive.done()
	if err != nil {
		return err
	}
	return os.WriteFile(path, packed, 0o644)
}

// writeImages writes all of them into the cluster's folder, and gives their paths.
func (c cluster) writeImages() ([]string, error) {
	var written []string
	for name, image := range c.images() {
		path := filepath.Join(c.path("images"), name)
		if err := image.write(path); err != nil {
			return nil, err
		}
		written = append(written, path)
	}
	return written, nil
}
