package auth

// Forget drops what is remembered of all roles: some may have changed. What is being looked up now is not remembered.
func (a *Authenticator) Forget() {
	if l, ok := a.lookup.(interface{ ForgetAll() }); ok {
		l.ForgetAll()
	}
}
