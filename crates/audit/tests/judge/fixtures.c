/* Extension modules that say something of the GIL, each in its own way: the one that HOW names. The init function is M's. */
#include <Python.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)
#define INIT PyMODINIT_FUNC JOIN(PyInit_, M)(void)

#define SLOT_NOT_USED 1
#define SLOT_USED 2
#define SLOTS_SILENT 3
#define NO_SLOTS 4
#define SINGLE_SILENT 5
#define CALL_NOT_USED 6
#define CALL_USED 7
#define CALL_IN_HELPER 8
#define BUILT_NOT_USED 9
#define BUILT_SILENT 10
#define LONG_TABLE 11
#define CALL_BY_ENVIRONMENT 12
#define BORROWED 13
#define BUILT_BY_ENVIRONMENT 14
#define EXPORT_NOT_USED 20
#define EXPORT_USED 21
#define EXPORT_SILENT 22
#define EXPORT_SUBSLOTS 23
#define EXPORT_OLD_SLOTS 24

static int run(PyObject *module) {
    return PyModule_AddIntConstant(module, "there", 1);
}

#if HOW == SLOT_NOT_USED || HOW == SLOT_USED || HOW == SLOTS_SILENT || HOW == NO_SLOTS
static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, run},
#if HOW == SLOT_NOT_USED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#elif HOW == SLOT_USED
    {Py_mod_gil, Py_MOD_GIL_USED},
#endif
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {0, NULL},
};
static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "some.package." TEXT(M),
#if HOW != NO_SLOTS
    .m_slots = slots,
#endif
};
INIT { return PyModuleDef_Init(&definition); }
#endif

#if HOW == SINGLE_SILENT || HOW == CALL_NOT_USED || HOW == CALL_USED || HOW == CALL_IN_HELPER
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = TEXT(M), .m_size = -1};
__attribute__((noinline)) static int say(PyObject *module, int flag) {
    return PyUnstable_Module_SetGIL(module, flag ? Py_MOD_GIL_NOT_USED : Py_MOD_GIL_USED);
}
INIT {
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL) return NULL;
#if HOW == CALL_NOT_USED
    PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);
#elif HOW == CALL_USED
    PyUnstable_Module_SetGIL(module, Py_MOD_GIL_USED);
#elif HOW == CALL_IN_HELPER
    if (say(module, 1) < 0) { Py_DECREF(module); return NULL; }
#endif
    if (run(module) < 0) { Py_DECREF(module); return NULL; }
    return module;
}
#endif

#if HOW == BUILT_NOT_USED || HOW == BUILT_SILENT
/* What a C++ binding does: both are variables that the init function fills in. */
static PyModuleDef_Slot slots[3];
static PyModuleDef definition;
INIT {
    int n = 0;
    slots[n].slot = Py_mod_exec;
    slots[n++].value = (void *)run;
#if HOW == BUILT_NOT_USED
    slots[n].slot = Py_mod_gil;
    slots[n++].value = Py_MOD_GIL_NOT_USED;
#endif
    slots[n].slot = 0;
    slots[n++].value = NULL;
    PyModuleDef filled = {PyModuleDef_HEAD_INIT, .m_name = TEXT(M), .m_slots = slots};
    definition = filled;
    return PyModuleDef_Init(&definition);
}
#endif

#if HOW == LONG_TABLE
/* Nine constants, each of which may fail, and the call behind them. */
static const struct { const char *name; long value; } constants[] = {
    {"a", 1}, {"b", 2}, {"c", 3}, {"d", 4}, {"e", 5}, {"f", 6}, {"g", 7}, {"h", 8}, {"i", 9}, {NULL, 0},
};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = TEXT(M), .m_size = -1};
INIT {
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL) return NULL;
    for (int n = 0; constants[n].name != NULL; n++) {
        if (PyModule_AddIntConstant(module, constants[n].name, constants[n].value) < 0) {
            Py_DECREF(module);
            return NULL;
        }
    }
    PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);
    return module;
}
#endif

#if HOW == CALL_BY_ENVIRONMENT
/* What it says depends on what no file says. */
#include <stdlib.h>
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = TEXT(M), .m_size = -1};
INIT {
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL) return NULL;
    if (getenv("WITHOUT_THE_GIL") != NULL) PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);
    return module;
}
#endif

#if HOW == BUILT_BY_ENVIRONMENT
/* So does where it says it. */
#include <stdlib.h>
static PyModuleDef_Slot slots[64];
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = TEXT(M), .m_slots = slots};
INIT {
    size_t n = strlen(getenv("SLOTS_BEFORE")) % 8;
    slots[n].slot = Py_mod_gil;
    slots[n].value = Py_MOD_GIL_NOT_USED;
    return PyModuleDef_Init(&definition);
}
#endif

#if HOW == BORROWED
/* What it hands over was made elsewhere, as mypyc's small modules do. */
INIT { return PyImport_ImportModule("string"); }
#endif

#if HOW >= EXPORT_NOT_USED
PyABIInfo_VAR(abi);
static PySlot inner[] = {PySlot_DATA(Py_mod_gil, Py_MOD_GIL_NOT_USED), PySlot_END};
static PyModuleDef_Slot older[] = {{Py_mod_gil, Py_MOD_GIL_NOT_USED}, {0, NULL}};
static PySlot slots[] = {
    PySlot_STATIC_DATA(Py_mod_name, TEXT(M)),
    PySlot_DATA(Py_mod_abi, &abi),
    PySlot_FUNC(Py_mod_exec, run),
#if HOW == EXPORT_NOT_USED
    PySlot_DATA(Py_mod_gil, Py_MOD_GIL_NOT_USED),
#elif HOW == EXPORT_USED
    PySlot_DATA(Py_mod_gil, Py_MOD_GIL_USED),
#elif HOW == EXPORT_SUBSLOTS
    PySlot_DATA(Py_slot_subslots, inner),
#elif HOW == EXPORT_OLD_SLOTS
    PySlot_DATA(Py_mod_slots, older),
#endif
    PySlot_END,
};
PyMODEXPORT_FUNC JOIN(PyModExport_, M)(void) { (void)inner; (void)older; return slots; }
#endif
