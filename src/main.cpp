// Hands over to the application layer.
#include "gateway/app/command_line.hpp"

int main(int argc, char** argv)
{
    return gateway::run_command_line(argc, argv);
}
