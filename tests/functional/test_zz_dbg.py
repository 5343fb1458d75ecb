from client import *
from origin import http
import time
def test_x(revived, keeper, meeting):
    one = revived(meeting)
    for n in (1,2,3,1,2):
        ps = meeting.pairs(one, n)
        time.sleep(.1); print(n, keeper.sockets())
        for c,s in ps: c.close(); s.close()
        time.sleep(.1); print(n, keeper.sockets())
        one.crash()
    print("\n".join(l.raw[:150] for l in one.lines if "RELAYD_CONN" not in l.raw)); print(keeper.lines)
