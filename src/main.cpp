// Hands over to the application layer.
int main()
{
    return 0;
}
