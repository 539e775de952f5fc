package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// scratch is a cluster whose folder is the test's own, and which was never started.
func scratch(t *testing.T) cluster {
	t.Helper()
	return cluster{name: "scratch", tools: t.TempDir(), folder: filepath.Join(t.TempDir(), "scratch")}
}

func TestANameThatCouldLeaveItsFolderIsRefused(t *testing.T) {
	for _, name := range []string{"", "..", "a/b", "-a", "a-", "A", "a b", strings.Repeat("a", 25)} {
		if _, err := clusterNamed(name); err == nil {
			t.Errorf("%q was taken for a name", name)
		}
	}
}

func TestAProcessThatGotTheNumberOfAnotherIsNotTakenForIt(t *testing.T) {
	started, living := readStat(os.Getpid())
	if !living {
		t.Fatal("this process is not found")
	}
	if !(process{PID: os.Getpid(), Started: started}).runs() {
		t.Error("this process is taken for another one")
	}
	if (process{PID: os.Getpid(), Started: started - 1}).runs() {
		t.Error("another process is taken for this one")
	}
}

func TestAProcessThatHasEndedDoesNotRunEvenBeforeItIsReaped(t *testing.T) {
	child := exec.Command("true")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	ended := until(patience, func() bool { _, living := readStat(child.Process.Pid); return !living })
	if !ended {
		t.Error("a zombie counts as living")
	}
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestAnImagePackedTwiceIsTheSame(t *testing.T) {
	packed := func() []byte {
		path := filepath.Join(t.TempDir(), "image.tar")
		made := image{reference: "kith.test/x:1", layer: func(l *layer) error { l.text("etc/passwd", "root"); return nil }}
		if err := made.write(path); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	if !bytes.Equal(packed(), packed()) {
		t.Error("two packings differ")
	}
}

func TestOfVariablesSetTwiceTheLaterCounts(t *testing.T) {
	kept := lastOfEach([]string{"A=1", "B=2", "A=3"})
	if !slices.Equal(kept, []string{"A=3", "B=2"}) {
		t.Errorf("kept %v", kept)
	}
}

func TestWhoeverWaitsForAFolderThatIsRemovedGetsTheNewOne(t *testing.T) {
	c := scratch(t)
	first, err := c.lock()
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan *os.File)
	go func() {
		got, err := c.lock()
		if err != nil {
			t.Error(err)
		}
		second <- got
	}()
	if !until(patience, func() bool { return hasWaiter(t, c.folder) }) {
		t.Fatal("nobody waits for the folder")
	}
	if err := os.RemoveAll(c.folder); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	got := <-second
	defer got.Close()
	if !c.hasTrace() {
		t.Error("what is held is a folder that is gone")
	}
}

// hasWaiter says whether somebody waits for a lock on the file: the kernel writes an arrow before those.
func hasWaiter(t *testing.T, path string) bool {
	t.Helper()
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		t.Fatal(err)
	}
	of := fmt.Sprintf(":%d ", inode(path))
	for line := range strings.Lines(string(locks)) {
		if strings.Contains(line, " -> ") && strings.Contains(line, of) {
			return true
		}
	}
	return false
}

func TestEveryConfigurationFileIsFilledIn(t *testing.T) {
	c := scratch(t)
	if err := os.MkdirAll(c.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := c.writeConfigs(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kubelet.yaml", "containerd.toml", "Corefile", "pods.conflist", "objects.yaml"} {
		text, err := os.ReadFile(c.path(name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("<no value>")) {
			t.Errorf("%s has a value that nobody gives", name)
		}
	}
}

func TestWhatAComponentDiedOfIsInTheError(t *testing.T) {
	c := scratch(t)
	for _, folder := range []string{"processes", "logs"} {
		if err := os.MkdirAll(c.path(folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.startProcess("etcd", []string{"sh", "-c", "echo no space left"}); err != nil {
		t.Fatal(err)
	}
	err := c.await("API server", patience, func() error { return os.ErrNotExist })
	if err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("the error says: %v", err)
	}
}
