// An independent reader of a log: the reference code of Go's checksum database.
//
// Usage: main FOLDER NOTE_KEY FORMER_SIZE FORMER_ROOT PROOF...
//
// FOLDER has the files that the log serves. The reader verifies the checkpoint with `note.Open`, reads the tiles with
// `tlog.TileHashReader`, proves every entry and the former size with `tlog`'s own prover, and checks these proofs and the
// given one, which is the log's own for the former size.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// folder reads tiles from files. Paths of C2SP tlog-tiles have no height, and call data entries.
type folder string

func path(tile tlog.Tile) string {
	path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
	return strings.Replace(path, "tile/data/", "tile/entries/", 1)
}

func (f folder) Height() int { return height }

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range tiles {
		bytes, err := os.ReadFile(filepath.Join(string(f), path(tile)))
		if err != nil {
			return nil, err
		}
		data = append(data, bytes)
	}
	return data, nil
}

func (f folder) SaveTiles(tiles []tlog.Tile, data [][]byte) {}

func (f folder) entries(size int64) [][]byte {
	var entries [][]byte
	for n := int64(0); n<<height < size; n++ {
		width := size - n<<height
		if width > 1<<height {
			width = 1 << height
		}
		bytes, err := os.ReadFile(filepath.Join(string(f), path(tlog.Tile{H: height, L: -1, N: n, W: int(width)})))
		check(err)
		for i := int64(0); i < width; i++ {
			length := binary.BigEndian.Uint16(bytes)
			entries = append(entries, bytes[2:2+length])
			bytes = bytes[2+length:]
		}
		if len(bytes) > 0 {
			check(fmt.Errorf("bundle %d has more than its entries", n))
		}
	}
	return entries
}

func hash(text string) tlog.Hash {
	hash, err := tlog.ParseHash(text)
	check(err)
	return hash
}

func main() {
	served := folder(os.Args[1])
	verifier, err := note.NewVerifier(os.Args[2])
	check(err)
	former, err := strconv.ParseInt(os.Args[3], 10, 64)
	check(err)
	formerRoot := hash(os.Args[4])

	message, err := os.ReadFile(filepath.Join(string(served), "checkpoint"))
	check(err)
	opened, err := note.Open(message, note.VerifierList(verifier))
	check(err)
	// The parser takes only the first line of Go's own log.
	origin, rest, _ := strings.Cut(opened.Text, "\n")
	if origin != verifier.Name() {
		check(fmt.Errorf("the origin is %q, and the key is of %q", origin, verifier.Name()))
	}
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + rest))
	check(err)

	reader := tlog.TileHashReader(tree, served)
	root, err := tlog.TreeHash(tree.N, reader)
	check(err)
	if root != tree.Hash {
		check(fmt.Errorf("the tiles have the root %v, and the checkpoint %v", root, tree.Hash))
	}
	for n, entry := range served.entries(tree.N) {
		proof, err := tlog.ProveRecord(tree.N, int64(n), reader)
		check(err)
		check(tlog.CheckRecord(proof, tree.N, tree.Hash, int64(n), tlog.RecordHash(entry)))
	}
	proof, err := tlog.ProveTree(tree.N, former, reader)
	check(err)
	check(tlog.CheckTree(proof, tree.N, tree.Hash, former, formerRoot))
	var given tlog.TreeProof
	for _, text := range os.Args[5:] {
		given = append(given, hash(text))
	}
	check(tlog.CheckTree(given, tree.N, tree.Hash, former, formerRoot))
	fmt.Printf("%d entries, %d signatures unknown to the reader, root %s\n",
		tree.N, len(opened.UnverifiedSigs), base64.StdEncoding.EncodeToString(root[:]))
}
