module vixdisklib

go 1.19
