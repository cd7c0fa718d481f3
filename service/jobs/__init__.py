"""Jobs: fonts that are scored behind the service's back, and survive it.

intake      a request's fonts on their way to disk; `archives` unpacks what may be an archive
store       what jobs there are and how far they have come, in SQLite; `record` is one of them
files       the folder of a job: its fonts, a score and lines of results for each, reports
runner      the process that scores, one at a time a folder; `keeper` starts it where there is work
streams     events and results while they come
retention   what is removed, and when
"""
