using System.Globalization;
using BillingApp;
using BillingMigration;
using BillingMigration.Store;

const string usage = """
    A billing clerk's application on the billing store: the same on the source and on the table.
      BillingApp [--definition migration.json] [--backend mysql|dynamodb|both|routed] COMMAND
        account NUMBER             customer, subscribers, what is open
        charge NUMBER AMOUNT TEXT  posts a charge to an account
        bill NUMBER                makes a bill of an account's unbilled charges
        pay BILL-NUMBER AMOUNT     takes a payment
        overdue                    bills that should have been paid
        revenue FROM TO            billed by month, dates as 2026-01-01
        busy ACCOUNTS              eight clerks at work on the accounts 1 to ACCOUNTS, a line each second, until its input ends
    With routed, calls go where Switch-BillingBackend sends them.
    The source's login comes from MYSQL_USER (root) and MYSQL_PWD, that of AWS from where the SDK looks for it.
    """;

try
{
    var options = ClerkOptions.Parse(args);
    if (options is null)
    {
        Console.WriteLine(usage);
        return args.Length == 0 ? 0 : 2;
    }

    using var stop = new CancellationTokenSource();
    Console.CancelKeyPress += (_, e) =>
    {
        e.Cancel = true;
        stop.Cancel();
    };
    await using var store = await options.OpenAsync(Console.Error, stop.Token);
    if (options.Command is ["busy", var accounts])
    {
        var office = new Office(store, Console.Out, TimeProvider.System).RunAsync(int.Parse(accounts, CultureInfo.InvariantCulture), stop.Token);
        while (await Console.In.ReadLineAsync(stop.Token) is not null)
        {
            // It goes on until its input ends.
        }

        await stop.CancelAsync();
        await office;
        return 0;
    }

    await new Clerk(store, Console.Out, TimeProvider.System).RunAsync(options.Command, stop.Token);
    return 0;
}
catch (Exception e) when (e is MigrationException or StoreException or ClerkException)
{
    await Console.Error.WriteLineAsync(e.Message);
    return 1;
}
catch (OperationCanceledException)
{
    await Console.Error.WriteLineAsync("interrupted");
    return 130;
}
