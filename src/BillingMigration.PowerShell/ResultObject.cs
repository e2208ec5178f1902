using System.Management.Automation;

namespace BillingMigration.PowerShell;

/// <summary>Results as the pipeline sees them: the core's record, with a type name for its view and the session that the next job needs.</summary>
internal static class ResultObject
{
    /// <summary>Wraps a result; its property <c>Migration</c> is the session, so that jobs chain.</summary>
    public static PSObject Of(object result, MigrationSession migration)
    {
        var wrapped = Of(result);
        wrapped.Properties.Add(new PSNoteProperty("Migration", migration));
        return wrapped;
    }

    /// <summary>Wraps an object under the type name <c>BillingMigration.</c> and its class.</summary>
    public static PSObject Of(object result)
    {
        // A wrapper of its own: two results may hold the same record.
        var wrapped = new PSObject(result);
        wrapped.TypeNames.Insert(0, "BillingMigration." + result.GetType().Name);
        return wrapped;
    }
}
