package main

// The folder of a cluster: held by one command at a time, so that two calls of `up` do not make two halves.

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// hasTrace says whether the cluster has a folder.
func (c cluster) hasTrace() bool {
	_, err := os.Stat(c.folder)
	return err == nil
}

// lock makes the cluster's folder and holds it until the file is closed or the process dies. Whoever waits for
// another's `down` finds the folder gone, and makes a new one.
func (c cluster) lock() (*os.File, error) {
	for range 100 {
		if err := os.MkdirAll(c.folder, 0o755); err != nil {
			return nil, err
		}
		folder, err := os.Open(c.folder)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
			return nil, errors.Join(err, folder.Close())
		}
		var held syscall.Stat_t
		if syscall.Fstat(int(folder.Fd()), &held) == nil && held.Ino == inode(c.folder) {
			return folder, nil
		}
		if err := folder.Close(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("cannot hold %s: others keep making and removing it", c.folder)
}

// emptyFolder removes what lies in the folder, but not the folder: it is held.
func (c cluster) emptyFolder() error {
	entries, err := os.ReadDir(c.folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := os.RemoveAll(c.path(entry.Name())); err != nil {
			return err
		}
	}
	return nil
}
