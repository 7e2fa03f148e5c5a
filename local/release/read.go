package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
)

// maxFile is the most bytes of a file in an archive that are read.
const maxFile = 256 << 20

// packed is a file as it stands in an archive.
type packed struct {
	file

	permissions fs.FileMode
	at          time.Time
}

// readArchive returns the files of an archive, in its order.
func readArchive(name string, content []byte) ([]packed, error) {
	if strings.HasSuffix(name, ".zip") {
		return readZip(content)
	}
	return readTarball(content)
}

func readZip(content []byte) ([]packed, error) {
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, err
	}
	var files []packed
	for _, entry := range archive.File {
		body, err := entry.Open()
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(io.LimitReader(body, maxFile))
		if err = errors.Join(err, body.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", entry.Name, err)
		}
		files = append(files, packed{file{entry.Name, text}, entry.Mode(), entry.Modified.UTC()})
	}
	return files, nil
}

func readTarball(content []byte) ([]packed, error) {
	unpacked, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	archive := tar.NewReader(unpacked)
	var files []packed
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(io.LimitReader(archive, maxFile))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", header.Name, err)
		}
		files = append(files, packed{file{header.Name, text}, header.FileInfo().Mode(), header.ModTime.UTC()})
	}
}
