// Judges a log that frostmark wrote: its checkpoint by x/mod/sumdb/note, its tiles, leaves and proofs by x/mod/sumdb/tlog.
//
// The folder in the one argument holds a log as C2SP tlog-tiles serves it (checkpoint, tile/...), the coordinator's key in the form that note takes
// (key), and frostmark's own proofs (proofs.json). What Go proves about the same records and sizes is written to standard output, for frostmark to
// judge in its turn. Exit code 1 and a sentence on standard error say what does not hold.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// tileHeight is the only one that C2SP tlog-tiles has; it leaves it out of its paths, and Go has it in.
const tileHeight = 8

// proofs about one tree, the same from either side. Hashes are base64.
type proofs struct {
	Inclusion   []inclusion   `json:"inclusion"`
	Consistency []consistency `json:"consistency"`
}

// inclusion of one record, by its index from 0.
type inclusion struct {
	Index int64       `json:"index"`
	Proof []tlog.Hash `json:"proof"`
}

// consistency with a smaller tree.
type consistency struct {
	Size  int64       `json:"size"`
	Root  tlog.Hash   `json:"root"`
	Proof []tlog.Hash `json:"proof"`
}

// judgement is what goes to standard output.
type judgement struct {
	proofs
	// Tiles are the paths of all tiles that Go says a log of this size has.
	Tiles []string `json:"tiles"`
}

func main() {
	if len(os.Args) != 2 {
		fail(errors.New("usage: judge FOLDER"))
	}
	result, err := judge(os.Args[1])
	if err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func judge(folder string) (*judgement, error) {
	tree, err := openCheckpoint(folder)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	hashes := tlog.TileHashReader(tree, &tileFiles{folder})
	if root, err := tlog.TreeHash(tree.N, hashes); err != nil || root != tree.Hash {
		return nil, fmt.Errorf("the tiles do not make the root of the checkpoint: %v", err)
	}
	leaves, err := readLeaves(folder, tree.N)
	if err != nil {
		return nil, fmt.Errorf("entries: %w", err)
	}
	var given proofs
	if err := readJSON(folder, "proofs.json", &given); err != nil {
		return nil, err
	}
	if err := check(given, tree, leaves); err != nil {
		return nil, fmt.Errorf("frostmark's proof: %w", err)
	}
	result := &judgement{}
	if result.proofs, err = prove(given, tree, hashes); err != nil {
		return nil, err
	}
	if err := check(result.proofs, tree, leaves); err != nil {
		return nil, fmt.Errorf("Go's own proof: %w", err)
	}
	for _, tile := range tlog.NewTiles(tileHeight, 0, tree.N) {
		result.Tiles = append(result.Tiles, pathOf(tile))
	}
	return result, nil
}

// openCheckpoint verifies the note; Go's own ParseTree takes only the checkpoints of its checksum database.
func openCheckpoint(folder string) (tree tlog.Tree, err error) {
	key, err := os.ReadFile(filepath.Join(folder, "key"))
	if err != nil {
		return tree, err
	}
	verifier, err := note.NewVerifier(string(key))
	if err != nil {
		return tree, err
	}
	message, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return tree, err
	}
	opened, err := note.Open(message, note.VerifierList(verifier))
	if err != nil {
		return tree, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != verifier.Name() {
		return tree, errors.New("not three lines of which the first is the name that signed")
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

// tileFiles reads tiles as a client would fetch them, for Go to authenticate.
type tileFiles struct{ folder string }

func (files *tileFiles) Height() int { return tileHeight }

func (files *tileFiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		var err error
		if data[i], err = os.ReadFile(filepath.Join(files.folder, pathOf(tile))); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func (files *tileFiles) SaveTiles([]tlog.Tile, [][]byte) {}

func pathOf(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", tileHeight), "tile/", 1)
}

// readLeaves takes all entry bundles apart: each leaf behind its length in two bytes.
func readLeaves(folder string, size int64) ([]tlog.Hash, error) {
	var leaves []tlog.Hash
	for _, tile := range tlog.NewTiles(tileHeight, 0, size) {
		if tile.L != 0 {
			continue
		}
		path := strings.Replace(pathOf(tile), "tile/0/", "tile/entries/", 1)
		data, err := os.ReadFile(filepath.Join(folder, path))
		if err != nil {
			return nil, err
		}
		count := 0
		for ; len(data) > 0; count++ {
			if len(data) < 2 || len(data)-2 < int(data[0])<<8+int(data[1]) {
				return nil, fmt.Errorf("%s is cut off", path)
			}
			end := 2 + int(data[0])<<8 + int(data[1])
			leaves = append(leaves, tlog.RecordHash(data[2:end]))
			data = data[end:]
		}
		if count != tile.W {
			return nil, fmt.Errorf("%s has %d entries, not %d", path, count, tile.W)
		}
	}
	return leaves, nil
}

func check(given proofs, tree tlog.Tree, leaves []tlog.Hash) error {
	for _, one := range given.Inclusion {
		if one.Index < 0 || one.Index >= int64(len(leaves)) {
			return fmt.Errorf("there is no record %d", one.Index)
		}
		if err := tlog.CheckRecord(one.Proof, tree.N, tree.Hash, one.Index, leaves[one.Index]); err != nil {
			return fmt.Errorf("record %d: %w", one.Index, err)
		}
	}
	for _, one := range given.Consistency {
		if err := tlog.CheckTree(one.Proof, tree.N, tree.Hash, one.Size, one.Root); err != nil {
			return fmt.Errorf("size %d: %w", one.Size, err)
		}
	}
	return nil
}

// prove makes proofs for the same records and sizes.
func prove(given proofs, tree tlog.Tree, hashes tlog.HashReader) (made proofs, err error) {
	for _, one := range given.Inclusion {
		proof, err := tlog.ProveRecord(tree.N, one.Index, hashes)
		if err != nil {
			return made, err
		}
		one.Proof = append([]tlog.Hash{}, proof...)
		made.Inclusion = append(made.Inclusion, one)
	}
	for _, one := range given.Consistency {
		proof, err := tlog.ProveTree(tree.N, one.Size, hashes)
		if err != nil {
			return made, err
		}
		one.Proof = append([]tlog.Hash{}, proof...)
		made.Consistency = append(made.Consistency, one)
	}
	return made, nil
}

func readJSON(folder, name string, value interface{}) error {
	data, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
