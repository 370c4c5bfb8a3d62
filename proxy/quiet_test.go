package proxy

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/parser"
)

// While the catalog is being loaded, only what is surely PostgreSQL's own and leaves nothing behind lets a session keep its
// server connection without a question.
func TestQuietFunctions(t *testing.T) {
	pg := func(name string) parser.Name { return parser.Name{Schema: "pg_catalog", Name: name} }
	require.True(t, quiet(nil))
	require.True(t, quiet([]parser.Name{pg("pg_isolation_test_session_is_blocked"), {Name: "current_setting"}, {Name: "lower"}}))
	require.False(t, quiet([]parser.Name{{Name: "lower"}, {Name: "users_own"}}))
	require.False(t, quiet([]parser.Name{pg("set_config")}))
	require.False(t, quiet([]parser.Name{{Schema: "app", Name: "current_setting"}}))
}
