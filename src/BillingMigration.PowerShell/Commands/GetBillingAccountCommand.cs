using System.Management.Automation;
using BillingMigration.Target;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Reads a billing account and all that belongs to it, with one query.</summary>
[Cmdlet(VerbsCommon.Get, "BillingAccount")]
[OutputType("BillingMigration.BillingAccount")]
public sealed class GetBillingAccountCommand : SessionCmdlet
{
    private const string Masked = "***";

    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotNullOrEmpty]
    public string[] Id { get; set; } = [];

    [Parameter]
    public SwitchParameter IncludeSensitive { get; set; }

    private protected override void Process(MigrationSession session)
    {
        var reader = new AccountReader(session);
        foreach (var id in Id)
        {
            WriteObject(Account(session, Run(token => reader.ReadAsync(id, token))));
        }
    }

    /// <summary>The account's attributes, with a list for each entity that belongs to it.</summary>
    private PSObject Account(MigrationSession session, AccountItems items)
    {
        var account = Item(items.Account);
        account.TypeNames.Insert(0, "BillingMigration.BillingAccount");
        Add(account, "Subscribers", Items(items, "SUBSCRIBER"));
        Add(account, "ServiceAgreements", Items(items, "SERVICE_AGREEMENT"));
        Add(account, "Bills", Items(items, "BILL"));
        Add(account, "Charges", Items(items, "CHARGE"));
        Add(account, "Migration", session);
        return account;
    }

    private PSObject[] Items(AccountItems items, string entity) =>
        [.. items.Belongings.Where(i => i.Entity == entity).Select(Item)];

    private PSObject Item(BillingItem item)
    {
        var result = new PSObject();
        result.TypeNames.Insert(0, "BillingMigration.BillingItem");
        result.TypeNames.Insert(0, "BillingMigration.BillingItem#" + item.Entity);
        foreach (var (name, value) in item.Attributes)
        {
            Add(result, name, item.Sensitive.Contains(name) && !IncludeSensitive && value is not null ? Masked : value);
        }

        return result;
    }

    /// <summary>A column may be called like one of the lists; the list wins.</summary>
    private static void Add(PSObject to, string name, object? value)
    {
        to.Properties.Remove(name);
        to.Properties.Add(new PSNoteProperty(name, value));
    }
}
