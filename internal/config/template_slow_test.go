//go:build slow

package config_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// TestTemplatePatterns checks the ends of what the template's patterns allow.
func TestTemplatePatterns(t *testing.T) {
	t.Parallel()
	all := parameters(t)
	hours, minutes := func(n int) string { return strconv.Itoa(n) + "h" }, func(n int) string { return strconv.Itoa(n) + "m" }
	for name, test := range map[string]struct{ allowed, refused []string }{
		"SweepSince":      {[]string{"1m", "99999m", "1h", "9h", "10h", "999h", "1000h", "7999h", "8000h", "8699h", "8700h", "8759h", "8760h"}, []string{"0m", "0h", "8761h", "8770h", "8800h", "9000h", "10000h", "1s", "24", "1.5h", " 1h"}},
		"BreakerCooldown": {[]string{"1m", "99999m", "1h", "8760h"}, []string{"0m", "0h", "8761h", "9000h", "1s"}},
		"MaxRunAge":       {[]string{"1h", "840h"}, []string{"0h", "8761h", "9000h", "60m"}},
		"LedgerTtl":       {[]string{"168h", "8760h"}, []string{"0h", "1h", "9h", "10h", "19h", "23h", "8761h", "9000h"}},
		"ReconcileAfter":  {[]string{"0s", "9s", "99s", "999s", "1000s", "2999s", "3599s", "3600s"}, []string{"3601s", "3610s", "3700s", "4000s", "1m"}},
		"ExtraSendAfter":  {[]string{"0m", "9m", "99m", "999m", "1000m", "1399m", "1439m", "1440m"}, []string{"1441m", "1450m", "1500m", "2000m", "30s", "1h"}},
		"BudgetWindow":    {[]string{"1m", "999m", "1000m", "1399m", "1439m", "1440m", "1h", "9h", "10h", "19h", "20h", "24h"}, []string{"0m", "0h", "1441m", "1450m", "1500m", "2000m", "25h", "30h", "60s"}},
		"SecretCacheTtl":  {[]string{"0s", "9999s", "0m", "1440m", "0h", "24h"}, []string{"86401s", "1441m", "25h"}},
		"CallTimeout":     {[]string{"1s", "50s"}, []string{"0s", "51s"}},
		"RetryDelays":     {[]string{"0s", "0s,5m,30m", "9999s", "720m", "12h", "0s" + strings.Repeat(",12h", 19)}, []string{"", "5", "0s,", "721m", "800m", "13h", "20h", "0s" + strings.Repeat(",12h", 20), "1h.m"}},
		"FlowServiceUrl":  {[]string{"https://a.b:8443/c/d", "https://a.b/"}, []string{"http://a.b", "https://a.b:x", "https://a.b?c", "https://u@a.b", "https://a.b/%zz"}},
	} {
		p := all[name]
		for _, value := range test.allowed {
			if !p.pattern.MatchString(value) {
				t.Errorf("%s=%s is refused", name, value)
			}
			if _, err := load(all, map[string]string{p.variable: value}); err != nil {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
		for _, value := range test.refused {
			if p.pattern.MatchString(value) {
				t.Errorf("%s=%s is allowed", name, value)
			}
		}
	}
	// Of each number that a pattern allows the function must start with every one, and
	// of whole hours and minutes the pattern must allow each that the function does.
	for n := range 10_000 {
		for name, values := range map[string][]string{
			"SweepSince": {hours(n)}, "BreakerCooldown": {hours(n)}, "BudgetWindow": {hours(n), minutes(n)},
			"ReconcileAfter": {strconv.Itoa(n) + "s"}, "SecretCacheTtl": {hours(n), minutes(n)},
		} {
			for _, value := range values {
				_, err := load(nil, map[string]string{all[name].variable: value})
				if allowed := all[name].pattern.MatchString(value); allowed != (err == nil) {
					t.Fatal(fmt.Sprintf("%s=%s: allowed %t,", name, value, allowed), err)
				}
			}
		}
	}
}
