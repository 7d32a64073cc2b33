from surco.cli import main

main()
