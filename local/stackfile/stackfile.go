// Package stackfile is the file by which a stack on this machine tells where it is, as
// CloudFormation does by its outputs. `make up` writes it; the command reads it with --local.
package stackfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Path is where `make up` writes the file, from the repository's root, unless [Variable] of
// the environment names another path.
const (
	Path     = ".local/stack.json"
	Variable = "AEP_RETRIGGER_LOCAL"
)

// File says where the parts of a stack are, and what they are called.
type File struct {
	// Region and Account are those of the ARNs.
	Region  string `json:"region"`
	Account string `json:"account"`
	// Caller is the ARN of whoever uses the stack: nobody signs in on this machine.
	Caller string `json:"caller"`
	// Endpoints are the URLs of AWS's services, by their names: dynamodb, sqs, lambda.
	Endpoints map[string]string `json:"endpoints"`
	// Outputs are those of template.yaml, as far as the stack has their resources.
	Outputs map[string]string `json:"outputs"`
	// Console is the URL of the console; empty where there is none.
	Console string `json:"console,omitempty"`
}

// Write writes the file, which only its owner can read, and its folder, where they are not
// there. A reader sees the old file or the new one, and never a part.
func Write(path string, f File) error {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("the stack's file: %w", err)
	}
	next, err := os.CreateTemp(folder, ".stack-*") // with the mode 0600
	if err != nil {
		return fmt.Errorf("the stack's file: %w", err)
	}
	_, err = next.Write(append(text, '\n'))
	err = errors.Join(err, next.Close())
	if err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("the stack's file: %w", err), os.Remove(next.Name()))
	}
	return nil
}

// Read reads the file. The error is [fs.ErrNotExist] where there is none.
func Read(path string) (File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return File{}, err
	}
	var f File
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return File{}, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Remove deletes the file if it is still the one that was written, and its folder if nothing
// else is in it.
func Remove(path string, written File) error {
	now, err := Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case now.Endpoints["lambda"] != written.Endpoints["lambda"]:
		return nil // another stack has written its own
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	_ = os.Remove(filepath.Dir(path)) // it may hold other files
	return nil
}
