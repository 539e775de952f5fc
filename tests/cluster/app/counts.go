package main

// What became of the continual calls, counted: nothing that was attempted may be missing from the sum.

import (
	"encoding/json"
	"strconv"
	"sync"
)

// counts sorts calls into those that went well, those refused (by status) and those that failed (by the error's
// text). attempted = ok + refused + failed + those under way.
type counts struct {
	mutex     sync.Mutex
	attempted int
	ok        int
	refused   map[string]int
	failed    map[string]int
}

func (c *counts) begin() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.attempted++
}

func (c *counts) end(what outcome) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.refused == nil {
		c.refused, c.failed = map[string]int{}, map[string]int{}
	}
	switch {
	case what.Error != "":
		c.failed[what.Error]++
	case what.good():
		c.ok++
	default:
		c.refused[strconv.Itoa(what.Status)]++
	}
}

func (c *counts) String() string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	refused, failed := c.refused, c.failed
	if refused == nil {
		refused, failed = map[string]int{}, map[string]int{}
	}
	text, err := json.Marshal(map[string]any{
		"attempted": c.attempted, "ok": c.ok, "refused": refused, "failed": failed,
	})
	if err != nil { // numbers and strings always have a JSON form
		return err.Error()
	}
	return string(text)
}
