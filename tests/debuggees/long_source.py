"""Line tables of large code: functions at line 70,000, of 60,000 lines, and of 2 MB in one line."""
import look

HELD = "look.arrived(), look.stay()"


def define(source, file):
    space = {"look": look}
    exec(compile(source, file, "exec"), space)
    return space["f"]


late = define("\n" * 70000 + f"def f():\n    {HELD}\n", "late.py")
tall = define("def f():\n" + "    x = 1\n" * 60000 + f"    {HELD}\n    x = 2\n", "tall.py")
wide = define(f"def f():\n    x = ({'1, ' * 20000} '{'x' * 2_000_000}'); {HELD}\n", "wide.py")
apart = define("def f(x=(1,\n" + "\n" * 3000 + "2)):\n    y = (x,\n" + "\n" * 40000 + f"    {HELD})\n", "apart.py")
for name, function in (("late", late), ("tall", tall), ("wide", wide), ("apart", apart)):
    look.has_arrived(look.thread(name, function))
look.tell()
