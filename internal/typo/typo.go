// Package typo tells how far a name is from the one that a person may have meant.
package typo

// far is returned for names whose lengths alone keep them apart.
const far = 4

// Distance is how many letters must be changed, added, removed or swapped with their
// neighbor to make one name of the other, or 4 if the lengths differ by more than 3.
// Case counts. Example: "clietn" is 1 from "client" (two letters swapped).
func Distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	if d := len(s) - len(t); d >= far || -d >= far {
		return far
	}
	rows := make([][]int, len(s)+1)
	for i := range rows {
		rows[i] = make([]int, len(t)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(s); i++ {
		for j := 1; j <= len(t); j++ {
			change := rows[i-1][j-1]
			if s[i-1] != t[j-1] {
				change++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, change)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(s)][len(t)]
}
