package explore

import (
	"testing"
	"time"
)

func TestStatesThatDifferByIdsAndTimesAloneAreTheSame(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	later := now.Add(3 * 24 * time.Hour)
	a := `rev=6G6BLZOSYQZ7I5YCBDPMNZUNU2 2026-01-02T03:03:55.5Z of XX5WYOJVNKQSO425S5RV7RZA5Y, again 6G6BLZOSYQZ7I5YCBDPMNZUNU2, at=1767323035000 n=17 retries_exhausted`
	b := `rev=WI5ZJLABVZA6DOXIHOHFZ5HYG5 2026-01-05T03:03:50Z of 6G6BLZOSYQZ7I5YCBDPMNZUNU2, again WI5ZJLABVZA6DOXIHOHFZ5HYG5, at=1767582235000 n=17 retries_exhausted`
	if x, y := canonical(a, now), canonical(b, later); x != y {
		t.Errorf("%s\n%s", x, y)
	}
	for _, other := range []string{
		`rev=WI5ZJLABVZA6DOXIHOHFZ5HYG5 2026-01-05T03:03:50Z of 6G6BLZOSYQZ7I5YCBDPMNZUNU2, again 6G6BLZOSYQZ7I5YCBDPMNZUNU2, at=1767582235000 n=17 retries_exhausted`,
		`rev=WI5ZJLABVZA6DOXIHOHFZ5HYG5 2026-01-05T02:53:50Z of 6G6BLZOSYQZ7I5YCBDPMNZUNU2, again WI5ZJLABVZA6DOXIHOHFZ5HYG5, at=1767582235000 n=17 retries_exhausted`,
		`rev=WI5ZJLABVZA6DOXIHOHFZ5HYG5 2026-01-05T03:03:50Z of 6G6BLZOSYQZ7I5YCBDPMNZUNU2, again WI5ZJLABVZA6DOXIHOHFZ5HYG5, at=1767582235000 n=18 retries_exhausted`,
	} {
		if canonical(a, now) == canonical(other, later) {
			t.Errorf("%s counts as %s", other, a)
		}
	}
}

// TestAnIDWithoutADigitIsKnown: One random text in two hundred has none.
func TestAnIDWithoutADigitIsKnown(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, id := range []string{"flowsim-token-UOWRDDLSJDFMTQGDYWCBDEUGBB", "req-UOWRDDLSJDFM", "req-UOWRDD2SJDFM", "6G6BLZOSYQZ7I5YCBDPMNZUNU2", "UOWRDDLSJDFMTQGDYWCBDEUGBB"} {
		if got := canonical("of "+id+", "+id, now); got != "of id0, id0" {
			t.Errorf("%s becomes %s", id, got)
		}
	}
	for _, word := range []string{"UNAUTHENTICATED", "a-word-that-is-very-long", "X-Amz-Target-And-More"} {
		if got := canonical(word, now); got != word {
			t.Errorf("%s becomes %s", word, got)
		}
	}
}

func TestAJitteredDelayEndsAtTheEndOfItsRange(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]time.Duration{
		-time.Second: 0, 0: 0, 16 * time.Second: time.Minute, time.Minute: time.Minute, 61 * time.Second: 4 * time.Minute,
		3 * time.Minute: 4 * time.Minute, 6 * time.Minute: 15 * time.Minute, 16 * time.Minute: 30 * time.Minute,
	} {
		if got := rounded(d); got != want {
			t.Errorf("%s becomes %s, want %s", d, got, want)
		}
	}
}
