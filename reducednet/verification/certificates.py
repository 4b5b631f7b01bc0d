def certify(findings, f, g): return None
class Certificate: pass
