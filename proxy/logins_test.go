package proxy

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aioproxy/aioproxy/parser"
)

func TestWhomAChangeOfLoginsConcerns(t *testing.T) {
	p := &Proxy{}
	session := func() *Session {
		return &Session{p: p, database: "d", user: "u", loggedIn: p.logins.latest.Load()}
	}
	for i, c := range []struct {
		change   parser.Relogin
		outdated bool
	}{
		{parser.Relogin{Roles: []string{"v"}, Settings: true}, false},
		{parser.Relogin{Roles: []string{"u"}}, false},
		{parser.Relogin{Databases: []string{"e", "u"}, Settings: true}, false},
		{parser.Relogin{Roles: []string{"v", "u"}, Settings: true}, true},
		{parser.Relogin{Databases: []string{"d"}, Settings: true}, true},
		{parser.Relogin{AnyRole: true, Settings: true}, true},
	} {
		before := session()
		require.False(t, before.outdated())
		p.logins.changed(&c.change)
		require.Equal(t, c.outdated, before.outdated(), "%d", i)
		require.Equal(t, c.outdated, before.outdated(), "%d: asked again", i)
		require.False(t, session().outdated(), "%d: who comes after it", i)
		p.logins.changed(&parser.Relogin{Roles: []string{"v"}, Settings: true})
		require.Equal(t, c.outdated, before.outdated(), "%d: after another change", i)
	}
	t.Run("more names than are remembered", func(t *testing.T) {
		before := session()
		for i := range loginsLimit + 2 {
			p.logins.changed(&parser.Relogin{Roles: []string{fmt.Sprint("r", i)}, Settings: true})
		}
		require.LessOrEqual(t, len(p.logins.mu.roles), loginsLimit+1)
		require.True(t, before.outdated(), "nobody knows any more")
		require.False(t, session().outdated())
	})
}
