// Command release packs and checks what a release consists of. .ci/release builds the
// binaries and calls it:
//
//	go run ./local/release pack -version 0.1.0+1a2b3c4d5e6f -time 1780000000 BUILT dist/release
//	go run ./local/release check -version 0.1.0+1a2b3c4d5e6f -go go1.26.11 dist/release
//	go run ./local/release notes -version 0.1.0 CHANGELOG.md
//
// The same commit gives the same files, byte for byte: the order, the times and the
// permissions in the archives are fixed here.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func run(ctx context.Context, out io.Writer, args []string) error {
	if len(args) == 0 {
		return errors.New("say what to do: pack, check or notes")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	version := flags.String("version", "", "the version and commit, such as 0.1.0+1a2b3c4d5e6f")
	seconds := flags.Int64("time", 0, "the time of all files in the archives, in seconds since 1970: that of the commit")
	golang := flags.String("go", "", "the Go release that must have built everything, such as go1.26.11")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if *version == "" {
		return errors.New("-version is missing")
	}
	switch {
	case args[0] == "pack" && flags.NArg() == 2:
		template, err := os.ReadFile("template.yaml")
		if err != nil {
			return err
		}
		return pack(*version, time.Unix(*seconds, 0).UTC(), string(template), flags.Arg(0), flags.Arg(1))
	case args[0] == "check" && flags.NArg() == 1:
		return check(ctx, out, origin{*version, *golang}, flags.Arg(0))
	case args[0] == "notes" && flags.NArg() == 1:
		text, err := os.ReadFile(flags.Arg(0))
		if err != nil {
			return err
		}
		notes, err := notesOf(string(text), *version)
		if err != nil {
			return err
		}
		_, err = io.WriteString(out, notes)
		return err
	}
	return fmt.Errorf("%s with %d arguments is not known: pack BUILT FOLDER, check FOLDER or notes CHANGELOG.md", args[0], flags.NArg())
}
