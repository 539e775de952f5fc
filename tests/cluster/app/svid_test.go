package main

import (
	"bytes"
	"testing"
)

func TestAFieldIsFoundByItsNumberAndAMessageThatIsCutShortHasNone(t *testing.T) {
	message := []byte{1<<3 | 2, 2, 'a', 'b', 4<<3 | 2, 1, 'c', 5<<3 | 2, 0}
	for number, want := range map[uint64]string{1: "ab", 4: "c", 5: ""} {
		found, err := field(message, number)
		if err != nil || !bytes.Equal(found, []byte(want)) {
			t.Fatalf("field %d: %q, %v", number, found, err)
		}
	}
	for _, wrong := range [][]byte{nil, {1<<3 | 2}, {1<<3 | 2, 3, 'a'}, {2 << 3, 1}, {1<<3 | 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}} {
		if found, err := field(wrong, 1); err == nil {
			t.Fatalf("%v: %q", wrong, found)
		}
	}
}
