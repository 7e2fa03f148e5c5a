package docs_test

import (
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestREADMEShowsTheConsoleInLightAndDark checks that the pictures of README.md are there, that
// words say what they show, that they are small enough to be fetched, and that no other picture
// of the console lies beside them. `make picture` makes them.
func TestREADMEShowsTheConsoleInLightAndDark(t *testing.T) {
	t.Parallel()
	const most = 200_000 // bytes
	text := read(t, "README.md")
	var shown []string
	for _, match := range regexp.MustCompile(`(?:src|srcset)="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		shown = append(shown, match[1])
		file, err := os.Open(filepath.Join(root, match[1]))
		if err != nil {
			t.Errorf("README.md shows %s: %v", match[1], err)
			continue
		}
		defer file.Close() //nolint:errcheck // read only
		about, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		size, err := png.DecodeConfig(file)
		if err != nil || size.Width*800 != size.Height*1280 || size.Width < 1280 || about.Size() > most {
			t.Errorf("%s: %d by %d pixels, %d bytes, %v; want 1280 by 800 or more, and at most %d bytes", match[1], size.Width, size.Height, about.Size(), err, most)
		}
	}
	slices.Sort(shown)
	there, err := filepath.Glob("images/*.png")
	if err != nil {
		t.Fatal(err)
	}
	for i := range there {
		there[i] = "docs/" + filepath.ToSlash(there[i])
	}
	if !slices.Equal(shown, there) || len(shown) != 2 {
		t.Errorf("README.md shows %q, and docs/images has %q", shown, there)
	}
	for _, image := range regexp.MustCompile(`<img [^>]*>`).FindAllString(text, -1) {
		_, alt, _ := strings.Cut(image, `alt="`)
		if len(strings.Fields(alt)) < 5 {
			t.Errorf("%s lacks words for those who can't see it", image)
		}
	}
}

// TestPerformanceShowsTheCurveOfTheMemorySetting that template.yaml has; `make bench-memory`
// draws it.
func TestPerformanceShowsTheCurveOfTheMemorySetting(t *testing.T) {
	t.Parallel()
	if !strings.Contains(read(t, "docs/performance.md"), "](images/memory.svg)") {
		t.Error("docs/performance.md does not show the curve")
	}
	set := regexp.MustCompile(`(?m)^ *MemorySize: (\d+)$`).FindStringSubmatch(read(t, "template.yaml"))
	if set == nil || !strings.Contains(read(t, "docs/images/memory.svg"), "set: "+set[1]+" MB") {
		t.Errorf("template.yaml sets %v, and the curve marks another", set)
	}
}
