package main

import "strings"

// archive is one of a release: what stands in it, and for which platform. The system is Go's
// name of an operating system, the architecture Go's name of a processor.
type archive struct {
	program, system, architecture string
	// lambda is Lambda's name of the architecture; empty for the command.
	lambda string
}

const (
	functionProgram = "aep-retrigger-function"
	commandProgram  = "aep-retrigger"
)

// archives are all of a release. .ci/release builds them, from a list of its own.
func archives() []archive {
	all := []archive{
		{program: functionProgram, system: "linux", architecture: "arm64", lambda: "arm64"},
		{program: functionProgram, system: "linux", architecture: "amd64", lambda: "x86_64"},
	}
	for _, system := range []string{"linux", "darwin", "windows"} {
		for _, architecture := range []string{"amd64", "arm64"} {
			all = append(all, archive{program: commandProgram, system: system, architecture: architecture})
		}
	}
	return all
}

// name is the archive's file name.
func (a archive) name(version string) string {
	switch {
	case a.lambda != "":
		return a.program + "_" + version + "_" + a.lambda + ".zip"
	case a.system == "windows":
		return a.program + "_" + version + "_" + a.system + "_" + a.architecture + ".zip"
	}
	return a.program + "_" + version + "_" + a.system + "_" + a.architecture + ".tar.gz"
}

// template is the file name of the template that deploys the function in the archive.
func (a archive) template(version string) string {
	return "aep-retrigger-template_" + version + "_" + a.lambda + ".yaml"
}

// binary is the name of the binary in the archive.
func (a archive) binary() string {
	switch {
	case a.lambda != "":
		return "bootstrap"
	case a.system == "windows":
		return "aep-retrigger.exe"
	}
	return "aep-retrigger"
}

// functionOf returns the archive of the function that has a file name.
func functionOf(name string) (archive, bool) {
	for _, a := range archives() {
		if a.lambda != "" && strings.HasPrefix(name, a.program+"_") && strings.HasSuffix(name, "_"+a.lambda+".zip") {
			return a, true
		}
	}
	return archive{}, false
}

// short is a version without its commit: files are named by it.
func short(version string) string {
	release, _, _ := strings.Cut(version, "+")
	return release
}
