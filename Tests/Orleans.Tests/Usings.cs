global using Xunit;
global using static Orleans.Raft.Processes.Ports;
