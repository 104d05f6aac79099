// The model of a KD target that the tests of the floor below wrote.
#include "../kd/target_model.cpp"
