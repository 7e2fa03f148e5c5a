package main

import (
	"fmt"
	"regexp"
	"strings"
)

// notesOf returns the changelog's section of a version, without its heading. A version
// that has no section with a date has not been released, and is an error.
func notesOf(changelog, version string) (string, error) {
	version = short(version)
	heading := regexp.MustCompile(`(?m)^## \[` + regexp.QuoteMeta(version) + `\] - \d{4}-\d{2}-\d{2}$`)
	at := heading.FindStringIndex(changelog)
	if at == nil {
		return "", fmt.Errorf("the changelog has no section with the heading \"## [%s] - YYYY-MM-DD\": write it, from what stands in Unreleased", version)
	}
	section := changelog[at[1]:]
	if next := regexp.MustCompile(`(?m)^(## |\[[^\]]+\]: )`).FindStringIndex(section); next != nil {
		section = section[:next[0]]
	}
	section = strings.TrimSpace(section)
	if section == "" {
		return "", fmt.Errorf("the changelog's section of %s is empty", version)
	}
	return section + "\n", nil
}
