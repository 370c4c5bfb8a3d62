package pgquery

import (
	pg "github.com/pganalyze/pg_query_go/v5"

	"github.com/aioproxy/aioproxy/parser"
)

// relogin says what DDL about roles and databases means for connections; nil for other DDL.
func relogin(n *pg.Node) *parser.Relogin {
	r := &parser.Relogin{}
	switch s := n.GetNode().(type) {
	case *pg.Node_CreatedbStmt:
		r.Vacates = []string{option(s.CreatedbStmt.GetOptions(), "template", "template1")}
		r.Databases = []string{s.CreatedbStmt.GetDbname()}
	case *pg.Node_DropdbStmt:
		r.Databases = []string{s.DropdbStmt.GetDbname()}
		r.Vacates = r.Databases
	case *pg.Node_AlterDatabaseStmt:
		r.Databases = []string{s.AlterDatabaseStmt.GetDbname()}
		if option(s.AlterDatabaseStmt.GetOptions(), "tablespace", "") != "" {
			r.Vacates = r.Databases
		}
	case *pg.Node_AlterDatabaseSetStmt:
		r.Databases, r.Settings = []string{s.AlterDatabaseSetStmt.GetDbname()}, true
	case *pg.Node_AlterOwnerStmt:
		if s.AlterOwnerStmt.GetObjectType() != pg.ObjectType_OBJECT_DATABASE {
			return nil
		}
		r.Databases = []string{s.AlterOwnerStmt.GetObject().GetString_().GetSval()}
	case *pg.Node_GrantStmt:
		if s.GrantStmt.GetObjtype() != pg.ObjectType_OBJECT_DATABASE {
			return nil
		}
		for _, o := range s.GrantStmt.GetObjects() {
			r.Databases = append(r.Databases, o.GetString_().GetSval())
		}
	case *pg.Node_RenameStmt:
		return renames(r, s.RenameStmt)
	default:
		return roles(r, n)
	}
	return r
}

func renames(r *parser.Relogin, s *pg.RenameStmt) *parser.Relogin {
	names := []string{s.GetSubname(), s.GetNewname()}
	switch s.GetRenameType() {
	case pg.ObjectType_OBJECT_DATABASE:
		r.Databases, r.Vacates = names, names[:1]
	case pg.ObjectType_OBJECT_ROLE:
		r.Roles, r.Settings = names, true
	default: // an open set
		return nil
	}
	return r
}

func roles(r *parser.Relogin, n *pg.Node) *parser.Relogin {
	var specs []*pg.Node
	switch s := n.GetNode().(type) {
	case *pg.Node_CreateRoleStmt:
		r.Roles = []string{s.CreateRoleStmt.GetRole()}
	case *pg.Node_AlterRoleStmt:
		addRole(r, s.AlterRoleStmt.GetRole())
	case *pg.Node_AlterRoleSetStmt:
		r.Settings = true
		addRole(r, s.AlterRoleSetStmt.GetRole())
	case *pg.Node_DropRoleStmt:
		r.Settings = true // the next role of that name has others
		specs = s.DropRoleStmt.GetRoles()
	case *pg.Node_GrantRoleStmt:
		specs = s.GrantRoleStmt.GetGranteeRoles()
	case *pg.Node_DropOwnedStmt:
		specs = s.DropOwnedStmt.GetRoles()
	default: // an open set
		return nil
	}
	for _, spec := range specs {
		addRole(r, spec.GetRoleSpec())
	}
	return r
}

// addRole: ALTER ROLE ALL has none, and CURRENT_USER and the like can be anybody.
func addRole(r *parser.Relogin, spec *pg.RoleSpec) {
	if spec.GetRoletype() != pg.RoleSpecType_ROLESPEC_CSTRING {
		r.AnyRole = true
		return
	}
	r.Roles = append(r.Roles, spec.GetRolename())
}

// option is the value of an option of CREATE or ALTER DATABASE; DEFAULT has no argument.
func option(options []*pg.Node, name, otherwise string) string {
	for _, o := range options {
		if d := o.GetDefElem(); d.GetDefname() == name && d.GetArg() != nil {
			if s := d.GetArg().GetString_(); s != nil {
				return s.GetSval()
			}
		}
	}
	return otherwise
}
