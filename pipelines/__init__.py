"""The commands that run and compare the stages. They import neither torch nor components."""
