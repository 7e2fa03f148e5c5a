package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	sumsFile   = "SHA256SUMS"
	sbomSuffix = ".cdx.json"
	// binaryMode and textMode are the permissions in the archives: Lambda runs bootstrap as
	// another user than the one who built it.
	binaryMode = 0o755
	textMode   = 0o644
)

// file is one in an archive.
type file struct {
	name    string
	content []byte
}

// mode are the file's permissions.
func (f file) mode() os.FileMode {
	if isBinary(f.name) {
		return binaryMode
	}
	return textMode
}

// isBinary says whether a file of an archive is the function or the command.
func isBinary(name string) bool {
	return slices.Contains([]string{"bootstrap", "aep-retrigger", "aep-retrigger.exe"}, name)
}

// pack makes of each folder in built an archive of that name in the folder out, with an SBOM
// beside it. It adds a template for each archive of the function, and the checksums of all.
func pack(version string, at time.Time, template, built, out string) error {
	if err := os.MkdirAll(out, 0o755); err != nil { //nolint:gosec // whoever builds a release may show it to others
		return err
	}
	left, err := os.ReadDir(out)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("%s is not empty: delete it, so that the release has nothing of an older one", out)
	}
	entries, err := os.ReadDir(built)
	if err != nil {
		return err
	}
	made := map[string][]byte{}
	for _, entry := range entries {
		name := entry.Name()
		if made[name], made[name+sbomSuffix], err = packOne(version, at, filepath.Join(built, name)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if a, ok := functionOf(name); ok {
			text, err := templateFor(template, name, a.lambda)
			if err != nil {
				return err
			}
			made[a.template(short(version))] = []byte(text)
		}
	}
	made[sumsFile] = sumsOf(made)
	for name, content := range made {
		if err := os.WriteFile(filepath.Join(out, name), content, textMode); err != nil {
			return err
		}
	}
	return nil
}

// packOne returns the archive of a folder, and the SBOM of the binary in it.
func packOne(version string, at time.Time, folder string) (archive, sbom []byte, err error) {
	entries, err := os.ReadDir(folder) // sorted by name
	if err != nil {
		return nil, nil, err
	}
	var files []file
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return nil, nil, err
		}
		files = append(files, file{entry.Name(), content})
		if isBinary(entry.Name()) {
			if sbom, err = newSBOM(version, entry.Name(), content); err != nil {
				return nil, nil, err
			}
		}
	}
	if sbom == nil {
		return nil, nil, errors.New("there is no binary in it")
	}
	archive, err = archiveOf(folder, at, files)
	return archive, sbom, err
}

// archiveOf returns an archive of files, in their order, of the kind that its name says.
func archiveOf(name string, at time.Time, files []file) (archive []byte, err error) {
	var buffer bytes.Buffer
	switch {
	case strings.HasSuffix(name, ".zip"):
		err = writeZip(&buffer, at, files)
	case strings.HasSuffix(name, ".tar.gz"):
		err = writeTarball(&buffer, at, files)
	default:
		err = errors.New("archives end in .zip or .tar.gz")
	}
	return buffer.Bytes(), err
}

func writeZip(w io.Writer, at time.Time, files []file) error {
	archive := zip.NewWriter(w)
	for _, f := range files {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: at}
		header.SetMode(f.mode())
		entry, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := entry.Write(f.content); err != nil {
			return err
		}
	}
	return archive.Close()
}

func writeTarball(w io.Writer, at time.Time, files []file) error {
	compressed := gzip.NewWriter(w)
	archive := tar.NewWriter(compressed)
	for _, f := range files {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Size: int64(len(f.content)), Mode: int64(f.mode()), ModTime: at, Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(f.content); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), compressed.Close())
}

// sumsOf returns the checksums of files, in the form that sha256sum -c reads.
func sumsOf(files map[string][]byte) []byte {
	var lines []string
	for name, content := range files {
		sum := sha256.Sum256(content)
		lines = append(lines, hex.EncodeToString(sum[:])+"  "+name+"\n")
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[sha256.Size*2:], b[sha256.Size*2:]) })
	return []byte(strings.Join(lines, ""))
}
