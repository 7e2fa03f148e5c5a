// Package english writes numbers and lengths of time for people: the command, the console,
// notices and dead letters say them alike.
package english

import (
	"fmt"
	"strconv"
	"time"
)

// Number is a number with its thousands apart: "12,345".
func Number(n int) string {
	digits := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// Count counts things: "1 run", "2 runs", "12,345 runs".
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return Number(n) + " " + what + "s"
}

// Length is a length of time in its greatest unit, rounded down: "59 s", "3 min", "47 h",
// "2 days". A negative one, as of another machine's clock that is a little ahead, is "0 s".
func Length(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// Precise is a length of time in its two greatest units, in whole seconds: "2 d 5 h",
// "1 h 3 min", "2 min 5 s". From five minutes on it has no seconds.
func Precise(d time.Duration) string {
	d = d.Round(time.Second)
	days, hours := int(d/(24*time.Hour)), int(d/time.Hour)%24
	minutes, seconds := int(d/time.Minute)%60, int(d/time.Second)%60
	two := func(n int, unit string, m int, less string) string {
		if m == 0 {
			return fmt.Sprintf("%d %s", n, unit)
		}
		return fmt.Sprintf("%d %s %d %s", n, unit, m, less)
	}
	switch {
	case days > 0:
		return two(days, "d", hours, "h")
	case hours > 0:
		return two(hours, "h", minutes, "min")
	case minutes >= 5:
		return fmt.Sprintf("%d min", minutes)
	case minutes > 0:
		return two(minutes, "min", seconds, "s")
	}
	return fmt.Sprintf("%d s", seconds)
}
