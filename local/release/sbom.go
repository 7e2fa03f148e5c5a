package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"runtime/debug"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// sbomVersion is CycloneDX's. It is not the newest one: programs that read SBOMs follow later.
const sbomVersion = cdx.SpecVersion1_6

// newSBOM returns a CycloneDX document of what a binary is made of: the modules that Go has
// written into it, and Go's standard library. It has neither a time nor a serial number,
// which would differ from build to build.
//
// The usual tool, cyclonedx-gomod, brings some forty modules along, among them a git client
// and a library of numerics, to say the same.
func newSBOM(version, name string, binary []byte) ([]byte, error) {
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(binary)
	product := cdx.Component{
		Type: cdx.ComponentTypeApplication, BOMRef: packageURL(info.Main.Path, version), Name: name, Version: version, PackageURL: packageURL(info.Main.Path, version),
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}},
		Hashes:   &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}},
	}
	components := componentsOf(info)
	refs := make([]string, 0, len(components))
	for _, c := range components {
		refs = append(refs, c.BOMRef)
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &product}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: product.BOMRef, Dependencies: &refs}}
	var out bytes.Buffer
	if err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, sbomVersion); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// componentsOf returns the parts of a binary, Go's standard library first.
func componentsOf(info *debug.BuildInfo) []cdx.Component {
	release := strings.TrimPrefix(info.GoVersion, "go")
	components := []cdx.Component{library("stdlib", release, "")}
	for _, dep := range info.Deps {
		if dep.Replace != nil {
			dep = dep.Replace
		}
		components = append(components, library(dep.Path, dep.Version, dep.Sum))
	}
	return components
}

// library is a module. Its checksum, where there is one, is Go's: go.sum has the same, in base64.
func library(path, version, sum string) cdx.Component {
	c := cdx.Component{Type: cdx.ComponentTypeLibrary, BOMRef: packageURL(path, version), Name: path, Version: version, PackageURL: packageURL(path, version)}
	if text, ok := strings.CutPrefix(sum, "h1:"); ok {
		if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
			c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(raw)}}
		}
	}
	return c
}

// packageURL names a module for programs that look for its vulnerabilities
// (https://github.com/package-url/purl-spec).
func packageURL(path, version string) string {
	return fmt.Sprintf("pkg:golang/%s@%s", path, strings.ReplaceAll(version, "+", "%2B"))
}
