package main

// The processes of a cluster: started detached, recorded by pid and start time, told apart from strangers, ended.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is the record of one component. A pid alone would not do: after its end another process may get it.
type process struct {
	Name    string   `json:"name"`
	Command []string `json:"command"`
	PID     int      `json:"pid"`
	Started uint64   `json:"started"` // since boot, in clock ticks, as in /proc/PID/stat
}

func (c cluster) recordPath(name string) string { return c.path("processes", name+".json") }

func (c cluster) logPath(name string) string { return c.path("logs", name+".log") }

// startProcess starts a command that outlives this program, and records it. Its output goes to its log.
func (c cluster) startProcess(name string, command []string) (process, error) {
	log, err := os.OpenFile(c.logPath(name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return process{}, err
	}
	defer log.Close()
	child := exec.Command(command[0], command[1:]...)
	child.Dir = "/"
	child.Env = []string{"PATH=" + c.tools + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	child.Stdout, child.Stderr = log, log
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return process{}, fmt.Errorf("cannot start %s: %w", name, err)
	}
	started, _ := readStat(child.Process.Pid)
	made := process{Name: name, Command: command, PID: child.Process.Pid, Started: started}
	record, err := json.Marshal(made)
	if err != nil {
		return process{}, err
	}
	// Whoever starts a component later is not its parent; neither is this program: init reaps it.
	return made, errors.Join(os.WriteFile(c.recordPath(name), record, 0o644), child.Process.Release())
}

// recorded gives the record of a component; its error says what to do when there is none.
func (c cluster) recorded(name string) (process, error) {
	text, err := os.ReadFile(c.recordPath(name))
	if os.IsNotExist(err) {
		return process{}, fmt.Errorf("cluster %s has no component %q: it has %s", c.name, name, strings.Join(c.componentNames(), ", "))
	}
	if err != nil {
		return process{}, err
	}
	var found process
	if err := json.Unmarshal(text, &found); err != nil {
		return process{}, fmt.Errorf("cannot read %s: %w", c.recordPath(name), err)
	}
	return found, nil
}

func (c cluster) componentNames() []string {
	files, err := filepath.Glob(c.path("processes", "*.json"))
	if err != nil { // only a malformed pattern, and this one is fixed
		return nil
	}
	for i, file := range files {
		files[i] = strings.TrimSuffix(filepath.Base(file), ".json")
	}
	return files
}

// notRunning names the components that are recorded and do not run.
func (c cluster) notRunning() []string {
	var dead []string
	for _, name := range c.componentNames() {
		if found, err := c.recorded(name); err != nil || !found.runs() {
			dead = append(dead, name)
		}
	}
	return dead
}

func (p process) runs() bool {
	started, living := readStat(p.PID)
	return living && started == p.Started
}

// stop kills the process, as a crash would: a fault test wants it away now, not when it has said its farewells.
func (p process) stop() error {
	if !p.runs() {
		return nil
	}
	if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("cannot stop %s (pid %d): %w", p.Name, p.PID, err)
	}
	if !until(5*time.Second, func() bool { return !p.runs() }) {
		return fmt.Errorf("%s (pid %d) does not end, not even killed: look at /proc/%d/stack", p.Name, p.PID, p.PID)
	}
	return nil
}

// readStat gives when a process was started, and whether it lives: a zombie does not.
func readStat(pid int) (started uint64, living bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	// The second field is the name in brackets, and may itself hold anything; those after it are plain.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return 0, false
	}
	started, err = strconv.ParseUint(fields[19], 10, 64)
	return started, err == nil
}

// until asks for a condition until it holds, or the time is over, and says which.
func until(patience time.Duration, holds func() bool) bool {
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
	return true
}
