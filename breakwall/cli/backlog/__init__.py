"""`breakwall backlog`: the snapshot of `breakwall.monitor` as text or JSON, once or again and again."""
